"""Wiring: makes the application from settings, credentials and a Redis engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from starlette.applications import Starlette

from syncline_server import http as rest
from syncline_server.auth.api_keys import ApiKeys
from syncline_server.auth.authenticator import Authenticator
from syncline_server.auth.keyring import Keyring
from syncline_server.backend import Backend
from syncline_server.config.credentials import Credentials
from syncline_server.config.encryption import SecretCipher
from syncline_server.config.server_identity import ServerIdentity
from syncline_server.config.settings import Settings
from syncline_server.http import console_login
from syncline_server.http import static as web
from syncline_server.http.api import test_clock
from syncline_server.observability.audit import Audit
from syncline_server.observability.metrics import Gauges, Meters
from syncline_server.observability.prometheus import ProcessMetrics
from syncline_server.observability.readiness import Readiness
from syncline_server.observability.worker_metrics import WorkerMetrics
from syncline_server.observability.worker_queries import WorkerQueries
from syncline_server.pubsub.cork import Cork
from syncline_server.pubsub.delta_bases import DeltaBases
from syncline_server.pubsub.hub import Hub
from syncline_server.pubsub.outlets import IN_C, choose
from syncline_server.pubsub.server_queries import ServerQueries
from syncline_server.realtime import connection_routes, native, sse, tail, twilsock
from syncline_server.realtime.admission import Admission
from syncline_server.realtime.connection_directory import ConnectionDirectory
from syncline_server.realtime.connections import ConnectionRegistry
from syncline_server.realtime.timer_wheel import TimerWheel
from syncline_server.realtime.websocket import availability
from syncline_server.realtime.websocket.socket import Socket
from syncline_server.realtime.websocket.socket_protocol import socket_protocol
from syncline_server.storage.data_set_poll import DataSetPoll
from syncline_server.storage.deletions import Deletions
from syncline_server.storage.expiry import Sweeper
from syncline_server.storage.listing import Listing
from syncline_server.storage.objects import Objects
from syncline_server.storage.periodic_lease import PeriodicLease
from syncline_server.storage.permissions import Permissions
from syncline_server.storage.reclaimer import Reclaimer
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.redis.data_set import DataSet
from syncline_server.storage.redis.disk_watch import DiskWatch
from syncline_server.storage.redis.durability import Durability
from syncline_server.storage.redis.engine import Engine
from syncline_server.storage.redis.write_probe import WriteProbe
from syncline_server.storage.servers import Member
from syncline_server.storage.services import Services
from syncline_server.webhooks.context import DeliveryContext
from syncline_server.webhooks.dispatcher import Dispatcher

if TYPE_CHECKING:
    from syncline_server.auth.oidc.console_login import ConsoleLogin
    from syncline_server.auth.oidc.tokens import ProviderTokens
    from syncline_server.observability.tracing import Traces

__all__ = ["Application", "create_app"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """The parts of a server that `Server` needs.

    Attributes:
        http: ASGI application for HTTP requests.
        socket: protocol class for WebSockets, which bypass ASGI.
        connections: the open sockets and event streams.
        timers: timers of connections.
        meters: counters.
        audit: audit log.
        problems: returns the current problems by name; empty if the server is ready.
    """

    http: Starlette
    socket: type[Socket]
    connections: ConnectionRegistry
    timers: TimerWheel
    meters: Meters
    audit: Audit
    problems: Callable[[], Mapping[str, str]]


class _Part(Protocol):
    """A part of the server that runs in the background."""

    def start(self) -> Awaitable[None] | None: ...

    async def stop(self) -> None: ...


def create_app(
    settings: Settings,
    credentials: Credentials,
    engine: Engine,
    *,
    worker: int = 0,
    run_dir: Path | None = None,
    server: ServerIdentity | None = None,
) -> Application:
    """Make an application; needs a running event loop.

    Args:
        worker: number of this process among the workers, from 0.
        run_dir: directory of the workers' sockets for each other; None for a single process.
        server: this server among those of the data set; None makes one up.
    """
    meters, readiness = Meters(), Readiness()
    cork = Cork(choose(settings.direct_writes))
    if settings.direct_writes != "off":
        meters.direct_writes = "c" if cork.calls is IN_C else "python"
    keyring = Keyring(credentials.api_keys)
    redis = Redis(
        engine,
        settings.redis_timeout,
        _durability(settings),
        meters.commits,
        data_set=DataSet(credentials.account_sid, settings.redis_prefix),
        readiness=readiness,
        clock_tolerance=settings.clock_tolerance,
    )
    traces = _traces(settings, meters, worker)
    objects = Objects(redis, settings.operation_memory, traces)
    provider_tokens = _provider_tokens(settings, meters)
    lease = PeriodicLease()
    poll = DataSetPoll(redis, lease)
    login = _console_login(settings, credentials, provider_tokens, redis, meters=meters, poll=poll)
    sessions = None if login is None else login.sessions
    services = Services(redis, settings.default_service_sid, poll=poll)
    backend = Backend(
        settings=settings,
        authenticator=Authenticator(
            credentials,
            settings.token_leeway,
            # Without an audience its tokens serve the console alone.
            None if settings.oidc_audience is None else provider_tokens,
            keyring,
            sessions=sessions,
        ),
        redis=redis,
        services=services,
        objects=objects,
        permissions=Permissions(redis, objects),
        listing=Listing(redis, objects, settings.max_lists, meters.limit_hits),
        hub=Hub(
            redis,
            objects.readers,
            settings.redis_timeout,
            meters=meters,
            delta_bases=DeltaBases(settings.delta_memory, meters.limit_hits, settings.delta_rate),
            traces=traces,
            cork=cork,
        ),
        meters=meters,
        traces=traces,
        readiness=readiness,
        periodic_lease=lease,
    )
    probe = WriteProbe(redis, backend.readiness)
    disk = (
        DiskWatch(settings, redis, backend.readiness, leads=worker == 0)
        if settings.redis_url is None
        else None
    )
    connections, timers = ConnectionRegistry(), TimerWheel()
    clock = asyncio.get_running_loop().time
    admission = Admission(settings, connections, meters, backend.audit, clock=clock)
    process_metrics = ProcessMetrics(
        meters, worker, partial(_collect_gauges, backend, connections, disk)
    )
    worker_metrics = WorkerMetrics(process_metrics, settings.workers, run_dir)
    directory, queries = _connection_directory(
        backend, connections, worker, run_dir, server=server or ServerIdentity.of(settings)
    )
    sweeper = Sweeper(
        redis,
        objects,
        backend.items,
        settings.sweep_interval,
        webhooks=backend.webhooks_of_the_system,
        lease=lease,
    )
    deletions = Deletions(redis, objects, lease)
    reclaimer = Reclaimer(redis, meters, lease)
    context = DeliveryContext(
        settings=settings,
        credentials=credentials,
        meters=meters,
        services=services,
        queue=backend.webhooks,
        dead_letters=backend.dead_letters,
    )
    dispatcher = Dispatcher(redis, context, lease)
    objects.committer.webhook_buckets.on_write = dispatcher.note_writes
    backend.webhooks.bucket_index.on_write = dispatcher.note_writes
    secret_cipher = SecretCipher(credentials.master_key)
    api_keys = ApiKeys(redis, secret_cipher, keyring, meters.limit_hits, poll=poll)
    keyring.on_end(connections.evict)
    if sessions is not None:
        sessions.on_end(connections.evict)
    services.on_change(backend.hub.on_service_change)
    services.on_change(deletions.on_service_change)

    # Each part uses parts before it, and stops before them: reachability queues webhooks that the
    # dispatcher delivers, the disk watch may refuse writes before Redis takes any, the poll gives
    # the lease of the periodic work back, and nearly all parts use Redis.
    parts: list[_Part | None] = [
        disk,
        redis,
        probe,
        worker_metrics,
        backend.hub,
        *queries,
        api_keys,
        sessions,
        services,
        poll,
        sweeper,
        deletions,
        reclaimer,
        dispatcher,
        backend.reachability,
        provider_tokens,
    ]

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        running = [part for part in parts if part is not None]
        try:
            for part in running:
                if (starting := part.start()) is not None:
                    await starting
            yield
        finally:
            for part in reversed(running):
                await part.stop()
            backend.audit.close()
            if traces is not None:
                await traces.stop()

    http = Starlette(
        routes=[
            rest.RouteTable(
                [
                    *sse.routes(backend, connections, admission, timers),
                    *tail.routes(backend, connections, admission),
                    *connection_routes.routes(backend, directory),
                    *rest.routes(backend, worker_metrics, api_keys),
                ]
            ),
            *availability.routes(native.PATH, admission),
            *twilsock.routes(backend),
            *console_login.routes(backend, login),
            *test_clock.routes(backend, sweeper.run_again),
            *web.routes(credentials, settings),
        ],
        middleware=rest.middleware(settings, meters, backend.audit, backend.work, traces=traces),
        exception_handlers=rest.exception_handlers,
        lifespan=lifespan,
    )
    # Starlette's redirect to the path with a slash would take its host from the request.
    http.router.redirect_slashes = False
    websockets = {
        native.PATH: native.websocket_route(backend, connections),
        twilsock.PATH: twilsock.websocket_route(backend, connections, admission),
    }
    socket = socket_protocol(
        websockets,
        settings=settings,
        timers=timers,
        admission=admission,
        meters=meters,
        cork=cork,
    )
    return Application(
        http=http,
        socket=socket,
        connections=connections,
        timers=timers,
        meters=meters,
        audit=backend.audit,
        problems=backend.problems,
    )


def _connection_directory(
    backend: Backend,
    connections: ConnectionRegistry,
    worker: int,
    run_dir: Path | None,
    *,
    server: ServerIdentity,
) -> tuple[ConnectionDirectory, list[_Part]]:
    """The list of connections, and the parts that ask and answer for it."""
    own = Member(process=connections.process, server=server.id, name=server.name, worker=worker)

    async def answer(question: bytes, limit: int | None = None) -> bytes:
        return await directory.answer(question, limit)

    workers = WorkerQueries(answer, worker, backend.settings.workers, run_dir, kind="who")
    if backend.settings.redis_url is None:
        # An embedded Redis serves one server.
        directory = ConnectionDirectory(connections, own, workers)
        return directory, [workers]
    servers = ServerQueries(backend.redis, backend.hub, own, answer)
    directory = ConnectionDirectory(connections, own, workers, servers)
    return directory, [workers, servers]


def _durability(settings: Settings) -> Durability:
    return Durability(
        level=settings.durability,
        timeout=settings.durability_timeout,
        replicas=settings.replicas,
        replica_timeout=settings.replica_timeout,
    )


def _provider_tokens(settings: Settings, meters: Meters) -> ProviderTokens | None:
    if settings.oidc_issuer is None:
        return None
    # Imported late, because loading its HTTP client takes time.
    from syncline_server.auth.oidc.tokens import ProviderTokens

    return ProviderTokens.of(settings, meters.limit_hits)


def _console_login(
    settings: Settings,
    credentials: Credentials,
    tokens: ProviderTokens | None,
    redis: Redis,
    *,
    meters: Meters,
    poll: DataSetPoll,
) -> ConsoleLogin | None:
    if tokens is None or not settings.console_oidc_admins:
        return None
    from syncline_server.auth.console_sessions import ConsoleSessions
    from syncline_server.auth.oidc.console_login import ConsoleLogin, basis_of

    sessions = ConsoleSessions(
        redis,
        lifetime=settings.console_session,
        limit=settings.console_sessions,
        basis=basis_of(settings),
        poll=poll,
    )
    return ConsoleLogin(
        settings, tokens, sessions, meters.limit_hits, secret=credentials.console_secret
    )


def _traces(settings: Settings, meters: Meters, worker: int) -> Traces | None:
    if settings.otlp_endpoint is None:
        return None
    # Imported late: it needs packages that are optional.
    from syncline_server.observability.tracing import Traces

    return Traces(settings, meters, worker)


async def _collect_gauges(
    backend: Backend, connections: ConnectionRegistry, disk: DiskWatch | None
) -> Gauges:
    loads = await connections.loads()
    feed = backend.hub.feed
    return Gauges(
        loads=loads,
        redis_connected=backend.redis.connected,
        redis_writable=backend.redis.problem is None,
        disk_free=None if disk is None else disk.free,
        disk_full=disk is not None and disk.full,
        refused_writes=backend.redis.refused_writes,
        redis_pending=backend.redis.pending,
        redis_round_trip=feed.round_trip,
        feed_live=feed.live,
        feed_lag=feed.lag,
        clock_offset=backend.redis.clock_offset,
        clock_faults=backend.redis.clock_faults,
    )
