"""The parts of a server on a real Redis, without a running server."""

from __future__ import annotations

from support.store import WAIT_LIMIT
from syncline_server.auth.authenticator import Authenticator
from syncline_server.backend import Backend
from syncline_server.config.credentials import Credentials
from syncline_server.config.settings import Settings
from syncline_server.pubsub.hub import Hub
from syncline_server.storage.documents import Documents
from syncline_server.storage.listing import Listing
from syncline_server.storage.permissions import Permissions
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.services import Services

__all__ = ["make_backend"]

OPERATION_MEMORY = 120
"""Seconds for which operation ids are kept."""


def make_backend(redis: Redis, settings: Settings | None = None) -> Backend:
    """A backend whose hub receives changes of services but is not started."""
    documents, services = Documents(redis, OPERATION_MEMORY), Services(redis)
    settings = settings or Settings()
    hub = Hub(redis, documents, WAIT_LIMIT, delta_memory=settings.delta_memory)
    services.on_change(hub.on_service_change)
    return Backend(
        settings=settings,
        authenticator=Authenticator(Credentials("AC", "secret", {}), leeway=0),
        redis=redis,
        services=services,
        documents=documents,
        permissions=Permissions(redis, documents),
        listing=Listing(redis, documents, settings.max_lists),
        hub=hub,
    )
