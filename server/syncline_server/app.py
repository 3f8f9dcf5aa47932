"""The wiring: settings and credentials in, a running server out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from starlette.applications import Starlette

from . import rest, web
from .auth import Authenticator
from .backend import Backend
from .credentials import Credentials
from .hub import Hub
from .metrics import Gauges, Meters, Telemetry
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
from .wires.door import Door
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
        wheel: for timers.
        meters: what is counted.
    """

    http: Starlette
    socket: type[Socket]
    departures: Departures
    wheel: Wheel
    meters: Meters


def create_app(
    settings: Settings, credentials: Credentials, engine: Engine, worker: int = 0
) -> Application:
    """A server on a Redis; needs a running loop.

    `worker`: the number of this process among those that serve together.
    """
    meters = Meters()
    redis = Redis(
        engine,
        settings.redis_timeout,
        barrier(settings.durability, settings.durability_timeout),
        meters.commits,
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
        hub=Hub(redis, documents, settings.redis_timeout, meters.fan_out),
        meters=meters,
    )
    departures, wheel = Departures(), Wheel()
    door = Door(settings, departures, meters, asyncio.get_running_loop().time)
    telemetry = Telemetry(meters, worker, partial(_look, backend, departures))
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
            *sse.routes(backend, departures, door, wheel),
            *twilsock.routes(backend),
            *rest.routes(backend, telemetry),
            *web.routes(credentials, settings.demo),
        ],
        middleware=rest.middleware(settings, meters),
        exception_handlers=rest.exception_handlers,
        lifespan=lifespan,
    )
    endpoints = {
        native.PATH: native.endpoint(backend, departures),
        twilsock.PATH: twilsock.endpoint(backend, departures, door),
    }
    socket = socket_protocol(endpoints, settings, wheel, door, meters)
    return Application(http, socket, departures, wheel, meters)


def _look(backend: Backend, departures: Departures) -> Gauges:
    feed = backend.hub.feed
    return Gauges(
        loads=[guest.load() for guest in departures.guests],
        redis_connected=backend.redis.connected,
        redis_round_trip=feed.round_trip,
        feed_live=feed.live,
        feed_lag=feed.lag,
    )
