"""Reachability webhooks, which report that clients connect and disconnect.

An endpoint is one socket's session. Without debouncing, each endpoint is reported. With debouncing,
the identity is: as connected with its first endpoint, and as disconnected once it had no endpoint
in any process for the debouncing window. For this an endpoint stays in Redis for the window after
its connection has ended.

Each process keeps a list of its endpoints in Redis. If a process dies, the one with the lease of
the periodic work takes its list over, or the next one to start, as if these connections had just
ended.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import secrets
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass

import orjson

from syncline_protocol.sids import bucket_of_name
from syncline_server.observability.tasks import PeriodicTask, TaskSet
from syncline_server.storage import keys
from syncline_server.storage.errors import StorageError
from syncline_server.storage.periodic_lease import PeriodicLease
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.scripts import WEBHOOKS, by_name
from syncline_server.storage.services import Service, Services

from .queue import Queue
from .retry import until_done

__all__ = ["Reachability", "make_endpoint_id"]

logger = logging.getLogger("syncline.webhooks")

CHECK_INTERVAL = 2.0
"""Seconds between signs of life of this process, and between checks of the others."""

LIFE_MS = 10_000
"""Milliseconds after which a sign of life expires."""

TAKEN_AT_ONCE = 256
"""Endpoints of a dead process that are read at a time."""

CHECKS_UNTIL_DEAD = 3
"""Checks in a row without a sign of life after which a process counts as dead. More than one: after
an outage of Redis all signs have expired, and each process must first write its own again."""

STOP_TIMEOUT = 2.0
"""Seconds that a stopping process takes to report its disconnected clients."""

_PROCESS = secrets.token_hex(8)
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class _Endpoint:
    service_sid: str
    identity: str
    id: str

    @property
    def record(self) -> bytes:
        """The form in the list of a process, JSON."""
        return orjson.dumps([self.service_sid, self.identity, self.id])


class Reachability:
    """The endpoints of one process, in services with reachability webhooks."""

    def __init__(
        self,
        redis: Redis,
        services: Services,
        queue: Queue,
        queue_limit: int,
        *,
        lease: PeriodicLease | None = None,
    ) -> None:
        """
        Args:
            queue_limit: maximum queued webhooks of one bucket.
            lease: this process looks for dead processes while it has it; None to look always.
        """
        self._redis = redis
        self._services = services
        self._queue = queue
        self._limit = queue_limit
        self._lease = lease
        self._name = secrets.token_hex(8)
        self._own = keys.endpoints(self._name)
        self._present: dict[str, tuple[_Endpoint, asyncio.Task[None]]] = {}
        self._tasks = TaskSet()
        self._leaving = TaskSet()
        self._is_listed = False
        # Checks in a row without a sign of life, by process.
        self._silent: Counter[str] = Counter()
        self._watcher = PeriodicTask(self._run, CHECK_INTERVAL, name="reachability", logger=logger)

    def start(self) -> None:
        """Begin to give signs of life and to watch the other processes."""
        self._watcher.start()

    async def stop(self) -> None:
        """Report the clients that have left. An endpoint within its debouncing window stays in the
        list, for another process to take over: its client may reconnect elsewhere."""
        await self._watcher.stop()
        await self._leaving.wait(STOP_TIMEOUT)
        await self._leaving.aclose()
        await self._tasks.aclose()
        if self._is_listed:
            with suppress(StorageError):
                await self._redis.execute("DEL", _alive(self._name))

    def arrive(self, service_sid: str, identity: str, endpoint: str) -> None:
        """Record that a client has connected."""
        if _reports_endpoints(self._services.known(service_sid)):
            made = _Endpoint(service_sid, identity, endpoint)
            self._present[endpoint] = made, self._tasks.spawn(self._report_arrival(made))

    def leave(self, endpoint: str) -> None:
        """Record that a connection has ended; safe for an endpoint that did not arrive."""
        made = self._present.pop(endpoint, None)
        if made is not None:
            self._schedule_disconnection(*made)

    def _schedule_disconnection(
        self, endpoint: _Endpoint, arrival: asyncio.Task[None] | None = None
    ) -> None:
        """Report a disconnection, at once or after the debouncing window."""
        service, window = self._services.known(endpoint.service_sid), 0.0
        if service is not None and service.reachability_debouncing_enabled:
            window = service.reachability_debouncing_window / 1000
        tasks = self._tasks if window else self._leaving
        tasks.spawn(self._report_disconnection(endpoint, arrival, window))

    async def _report_arrival(self, endpoint: _Endpoint) -> None:
        if not self._is_listed:
            await until_done(self._list)
        # 1. List the endpoint, so that another process finds it if this one dies.
        # 2. Report it. In the other order, a death in between would leave it connected permanently.
        await until_done(lambda: self._redis.execute("SADD", self._own, endpoint.record))
        await until_done(lambda: self._change("arrive", endpoint))

    async def _report_disconnection(
        self, endpoint: _Endpoint, arrival: asyncio.Task[None] | None, window: float
    ) -> None:
        # The arrival may still wait for Redis: the disconnection must not overtake it.
        if arrival is not None:
            await asyncio.wait([arrival])
        await asyncio.sleep(window)
        await until_done(lambda: self._change("leave", endpoint))
        await until_done(lambda: self._redis.execute("SREM", self._own, endpoint.record))

    async def _change(self, verb: str, endpoint: _Endpoint) -> None:
        service = await self._services.find(endpoint.service_sid)
        bucket = bucket_of_name(endpoint.identity)
        await self._queue.add_bucket(endpoint.service_sid, f"{bucket:02x}")
        alone = service is not None and service.reachability_debouncing_enabled
        arguments = by_name(
            {
                "verb": verb,
                "limit": self._limit,
                "queued": 1 if _reports_endpoints(service) else None,
                "alone": 1 if alone else None,
                "identity": endpoint.identity,
                "endpoint": endpoint.id,
            }
        )
        tag = keys.bucket_tag(endpoint.service_sid, bucket)
        await self._redis.run(WEBHOOKS, tag, *arguments)

    async def _list(self) -> None:
        """Give a sign of life and register this process; done before it lists endpoints.

        The sign of life comes first: a registered process without one counts as dead.
        """
        await self._redis.execute("SET", _alive(self._name), "", "PX", LIFE_MS)
        await self._redis.execute("SADD", keys.ENDPOINTS, self._name)
        self._is_listed = True

    async def _run(self) -> None:
        if self._is_listed:
            await self._list()
        if self._lease is None or self._lease.is_held:
            await self._check_processes()
        else:
            self._silent.clear()

    async def _check_processes(self) -> None:
        names = [name.decode() for name in await self._redis.execute("SMEMBERS", keys.ENDPOINTS)]
        for name in names:
            if name == self._name or await self._redis.execute("EXISTS", _alive(name)):
                self._silent.pop(name, None)
                continue
            self._silent[name] += 1
            if self._silent[name] >= CHECKS_UNTIL_DEAD:
                await self._inherit(name)

    async def _inherit(self, name: str) -> None:
        """Take over the endpoints of a dead process."""
        theirs, own = keys.endpoints(name), self._redis.prefixed(self._own)
        await self._list()
        while records := await self._redis.execute("SRANDMEMBER", theirs, TAKEN_AT_ONCE):
            for record in records:
                endpoint = _Endpoint(*orjson.loads(record))
                # Load the service: `_schedule_disconnection` uses `known`, which does not wait.
                await self._services.find(endpoint.service_sid)
                # Several processes may try this; SMOVE succeeds for only one.
                if await self._redis.execute("SMOVE", theirs, own, record):
                    self._schedule_disconnection(endpoint)
        await self._redis.execute("SREM", keys.ENDPOINTS, name)
        del self._silent[name]


def make_endpoint_id() -> str:
    """A new id of a connection: `EP` and 32 hexadecimal digits, which are not random."""
    return f"EP{_PROCESS}{next(_numbers):016x}"


def _alive(process: str) -> str:
    """The key of a process' sign of life."""
    return f"{keys.endpoints(process)}:alive"


def _reports_endpoints(service: Service | None) -> bool:
    return (
        service is not None
        and service.webhook_url is not None
        and service.reachability_webhooks_enabled
    )
