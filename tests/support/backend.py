"""The parts of a server on a real Redis, without a running server."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from support.store import WAIT_LIMIT, eventually
from syncline_protocol.commands import Create, Mode, Open, Remove, SetTtl
from syncline_protocol.documents import Document, Patch, Set
from syncline_server.auth.authenticator import Authenticator
from syncline_server.auth.grants import Grants
from syncline_server.backend import Backend
from syncline_server.config.credentials import Credentials
from syncline_server.config.settings import Settings
from syncline_server.objects.access import Access
from syncline_server.objects.documents import Documents
from syncline_server.pubsub.delta_bases import DeltaBases
from syncline_server.pubsub.hub import Hub
from syncline_server.storage.listing import Listing
from syncline_server.storage.objects import Objects
from syncline_server.storage.paging import Page
from syncline_server.storage.permissions import Permissions
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.results import Written
from syncline_server.storage.services import Services

__all__ = ["Caller", "make_backend", "running_backend"]

OPERATION_MEMORY = 120
"""Seconds for which operation ids are kept."""


def make_backend(redis: Redis, settings: Settings | None = None) -> Backend:
    """A backend whose hub receives changes of services but is not started."""
    objects, services = Objects(redis, OPERATION_MEMORY), Services(redis)
    settings = settings or Settings()
    delta_bases = DeltaBases(settings.delta_memory, Counter())
    hub = Hub(redis, objects.readers, WAIT_LIMIT, delta_bases=delta_bases)
    services.on_change(hub.on_service_change)
    return Backend(
        settings=settings,
        authenticator=Authenticator(Credentials("AC", "secret", {}), leeway=0),
        redis=redis,
        services=services,
        objects=objects,
        permissions=Permissions(redis, objects),
        listing=Listing(redis, objects, settings.max_lists),
        hub=hub,
    )


@asynccontextmanager
async def running_backend(redis: Redis, settings: Settings | None = None) -> AsyncIterator[Backend]:
    """As `make_backend`, with a hub that is live while the context lasts."""
    backend = make_backend(redis, settings)
    backend.hub.start()
    # Before: a feed that connects later reports a gap, and a comparison changes who delivers what.
    await eventually(lambda: backend.hub.live)
    yield backend
    await backend.hub.stop()


class Caller:
    """One identity with its documents, without a connection.

    Attributes:
        access: what it may do.
    """

    def __init__(
        self,
        backend: Backend,
        service_sid: str,
        identity: str,
        *,
        limited: bool = False,
        grants: Grants | None = None,
    ) -> None:
        self.access = Access(backend, service_sid, identity, limited=limited, grants=grants)
        self.service_sid = service_sid
        self._documents = Documents(backend)

    async def get(self, address: str) -> Document:
        return await self._documents.get(self.access, address)

    async def page(self, size: int, token: str | None) -> Page[Document]:
        return await self._documents.page(self.access, size, token)

    async def create(
        self, name: str | None, data: bytes = b"{}", ttl: int | None = None, op: str | None = None
    ) -> Written[Document]:
        return await self._documents.create(self.access, Create(name, data, ttl=ttl, op=op))

    async def open(
        self, name: str | None, mode: Mode = Mode.OPEN_OR_CREATE, data: bytes = b"{}"
    ) -> tuple[Document, bool]:
        return await self._documents.open(self.access, Open(name, mode=mode, data=data))

    async def set(self, command: Set | SetTtl) -> Written[Document]:
        return await self._documents.set(self.access, command)

    async def patch(self, command: Patch) -> Written[Document]:
        return await self._documents.patch(self.access, command)

    async def remove(self, command: Remove) -> Written[Document]:
        return await self._documents.remove(self.access, command)

    async def advance(self, sid: str, known: int) -> Document:
        return await self._documents.advance(self.access, sid, known)
