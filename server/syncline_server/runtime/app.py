"""The wiring: settings and credentials in, a running server out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.applications import Starlette

from syncline_server import http as rest
from syncline_server.auth.api_keys import ApiKeys
from syncline_server.auth.authenticator import Authenticator
from syncline_server.auth.keyring import KnownKeys
from syncline_server.auth.oidc.tokens import ProviderTokens
from syncline_server.backend import Backend
from syncline_server.config.credentials import Credentials
from syncline_server.config.encryption import Vault
from syncline_server.config.settings import Settings
from syncline_server.http import static as web
from syncline_server.observability.audit import Audit
from syncline_server.observability.metrics import Gauges, Meters
from syncline_server.observability.prometheus import Telemetry
from syncline_server.observability.worker_metrics import Gathering
from syncline_server.pubsub.cork import Cork
from syncline_server.pubsub.hub import Hub
from syncline_server.realtime import native, sse, twilsock
from syncline_server.realtime.admission import Door
from syncline_server.realtime.connections import Departures
from syncline_server.realtime.timer_wheel import Wheel
from syncline_server.realtime.websocket import availability
from syncline_server.realtime.websocket.socket import Socket, socket_protocol
from syncline_server.storage.deletions import Deletions
from syncline_server.storage.documents import Documents
from syncline_server.storage.expiry import Sweeper
from syncline_server.storage.listing import Listing
from syncline_server.storage.permissions import Permissions
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.redis.durability import barrier
from syncline_server.storage.redis.engine import Engine
from syncline_server.storage.services import Services
from syncline_server.webhooks.context import Office
from syncline_server.webhooks.dispatcher import Dispatcher

if TYPE_CHECKING:
    from syncline_server.observability.tracing import Traces

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
        audit: who is refused.
    """

    http: Starlette
    socket: type[Socket]
    departures: Departures
    wheel: Wheel
    meters: Meters
    audit: Audit


def create_app(
    settings: Settings,
    credentials: Credentials,
    engine: Engine,
    worker: int = 0,
    run_dir: Path | None = None,
) -> Application:
    """A server on a Redis; needs a running loop.

    Args:
        worker: the number of this process among those that serve together.
        run_dir: where these have sockets for each other; None for one that serves alone.
    """
    meters, cork = Meters(), Cork()
    known_keys = KnownKeys(credentials.api_keys)
    redis = Redis(
        engine,
        settings.redis_timeout,
        barrier(settings.durability, settings.durability_timeout),
        meters.commits,
    )
    traces = _traces(settings, meters, worker)
    documents = Documents(redis, settings.operation_memory, traces)
    foreign = ProviderTokens.of(settings, meters.bounds)
    services = Services(redis)
    backend = Backend(
        settings=settings,
        authenticator=Authenticator(credentials, settings.token_leeway, foreign, known_keys),
        redis=redis,
        services=services,
        documents=documents,
        permissions=Permissions(redis, documents),
        listing=Listing(redis, documents),
        hub=Hub(
            redis, documents, settings.redis_timeout, meters, settings.delta_memory, traces, cork
        ),
        meters=meters,
        traces=traces,
    )
    departures, wheel = Departures(), Wheel()
    door = Door(settings, departures, meters, backend.audit, asyncio.get_running_loop().time)
    telemetry = Telemetry(meters, worker, partial(_look, backend, departures))
    gathering = Gathering(telemetry, settings.workers, run_dir)
    sweeper = Sweeper(redis, documents, settings.sweep_interval, backend.webhooks_of_the_system)
    deletions = Deletions(redis, documents)
    office = Office(settings, credentials, meters, services, backend.webhooks, backend.parking)
    dispatcher = Dispatcher(redis, office)
    api_keys = ApiKeys(redis, Vault(credentials.master_key), known_keys, meters.bounds)
    known_keys.on_end(departures.turn_out)
    services.on_change(backend.hub.on_service_change)
    services.on_change(deletions.on_service_change)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        try:
            await redis.start()
            await gathering.start()
            await api_keys.start()
            backend.hub.start()
            services.start()
            sweeper.start()
            deletions.start()
            backend.reachability.start()
            dispatcher.start()
            if foreign is not None:
                foreign.start()
            yield
        finally:
            if foreign is not None:
                await foreign.stop()
            await backend.reachability.stop()
            await dispatcher.stop()
            await deletions.stop()
            await sweeper.stop()
            await services.stop()
            await api_keys.stop()
            backend.audit.close()
            await backend.hub.stop()
            await gathering.stop()
            await redis.stop()
            if traces is not None:
                await traces.stop()

    http = Starlette(
        routes=[
            *sse.routes(backend, departures, door, wheel),
            *availability.routes(native.PATH, door),
            *twilsock.routes(backend),
            *rest.routes(backend, gathering, api_keys),
            *web.routes(credentials, settings.demo),
        ],
        middleware=rest.middleware(settings, meters, backend.audit, traces),
        exception_handlers=rest.exception_handlers,
        lifespan=lifespan,
    )
    endpoints = {
        native.PATH: native.endpoint(backend, departures),
        twilsock.PATH: twilsock.endpoint(backend, departures, door),
    }
    socket = socket_protocol(endpoints, settings, wheel, door, meters, cork)
    return Application(http, socket, departures, wheel, meters, backend.audit)


def _traces(settings: Settings, meters: Meters, worker: int) -> Traces | None:
    if settings.otlp_endpoint is None:
        return None
    # Of packages that are not everywhere.
    from syncline_server.observability.tracing import Traces

    return Traces(settings, meters, worker)


async def _look(backend: Backend, departures: Departures) -> Gauges:
    loads = await departures.loads()
    feed = backend.hub.feed
    return Gauges(
        loads=loads,
        redis_connected=backend.redis.connected,
        redis_pending=backend.redis.pending,
        redis_round_trip=feed.round_trip,
        feed_live=feed.live,
        feed_lag=feed.lag,
    )
