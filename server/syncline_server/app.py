"""The wiring: settings and credentials in, a running server out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette

from . import rest, web
from .auth import Authenticator
from .backend import Backend
from .credentials import Credentials
from .hub import Hub
from .settings import Settings
from .storage.documents import Documents
from .storage.engine import Engine
from .storage.expiry import Sweeper
from .storage.listing import Listing
from .storage.redis import Redis
from .storage.services import Services
from .wires import native, sse
from .wires.departures import Departures

__all__ = ["create_app"]


def create_app(
    settings: Settings, credentials: Credentials, engine: Engine, departures: Departures
) -> Starlette:
    """The ASGI application on a Redis; who stays connected to it is noted in `departures`."""
    redis = Redis(engine, settings.redis_timeout)
    documents = Documents(redis, settings.operation_memory)
    backend = Backend(
        settings=settings,
        authenticator=Authenticator(credentials, settings.token_leeway),
        redis=redis,
        services=Services(redis),
        documents=documents,
        listing=Listing(redis, documents),
        hub=Hub(engine, documents, settings.redis_timeout),
    )
    sweeper = Sweeper(redis, documents, settings.sweep_interval)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        try:
            await redis.start()
            backend.hub.start()
            sweeper.start()
            yield
        finally:
            await sweeper.stop()
            await backend.hub.stop()
            await redis.stop()

    return Starlette(
        routes=[
            *native.routes(backend, departures),
            *sse.routes(backend, departures),
            *rest.routes(backend),
            *web.routes(credentials, settings.demo),
        ],
        middleware=rest.middleware(settings),
        exception_handlers=rest.exception_handlers,
        lifespan=lifespan,
    )
