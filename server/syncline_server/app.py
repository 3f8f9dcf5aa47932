"""The wiring: settings and credentials in, a running server out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.applications import Starlette

from . import rest, web
from .auth import Authenticator
from .backend import Backend
from .credentials import Credentials
from .hub import Hub
from .settings import Settings
from .storage.deletions import Deletions
from .storage.documents import Documents
from .storage.durability import barrier
from .storage.engine import Engine
from .storage.expiry import Sweeper
from .storage.listing import Listing
from .storage.permissions import Permissions
from .storage.redis import Redis
from .storage.services import Services
from .wires import native, sse, twilsock
from .wires.departures import Departures
from .wires.transport import Socket, socket_protocol
from .wires.wheel import Wheel

__all__ = ["Application", "create_app"]


@dataclass(frozen=True, slots=True)
class Application:
    """A server's parts for uvicorn.

    Attributes:
        http: for requests.
        socket: the protocol class for WebSockets, which go past ASGI.
        departures: everybody who stays connected.
    """

    http: Starlette
    socket: type[Socket]
    departures: Departures


def create_app(settings: Settings, credentials: Credentials, engine: Engine) -> Application:
    """A server on a Redis; needs a running loop."""
    redis = Redis(
        engine,
        settings.redis_timeout,
        barrier(settings.durability, settings.durability_timeout),
    )
    documents = Documents(redis, settings.operation_memory)
    services = Services(redis)
    backend = Backend(
        settings=settings,
        authenticator=Authenticator(credentials, settings.token_leeway),
        redis=redis,
        services=services,
        documents=documents,
        permissions=Permissions(redis, documents),
        listing=Listing(redis, documents),
        hub=Hub(redis, documents, settings.redis_timeout),
    )
    departures, wheel = Departures(), Wheel()
    sweeper = Sweeper(redis, documents, settings.sweep_interval)
    deletions = Deletions(redis, documents)
    services.on_change(backend.hub.on_service_change)
    services.on_change(deletions.on_service_change)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        try:
            await redis.start()
            backend.hub.start()
            services.start()
            sweeper.start()
            deletions.start()
            yield
        finally:
            await deletions.stop()
            await sweeper.stop()
            await services.stop()
            await backend.hub.stop()
            await redis.stop()

    http = Starlette(
        routes=[
            *sse.routes(backend, departures, wheel),
            *twilsock.routes(backend),
            *rest.routes(backend),
            *web.routes(credentials, settings.demo),
        ],
        middleware=rest.middleware(settings),
        exception_handlers=rest.exception_handlers,
        lifespan=lifespan,
    )
    endpoints = {
        native.PATH: native.endpoint(backend, departures),
        twilsock.PATH: twilsock.endpoint(backend, departures),
    }
    return Application(http, socket_protocol(endpoints, settings, wheel), departures)
