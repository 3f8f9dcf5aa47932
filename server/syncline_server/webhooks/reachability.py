"""Who is connected, told by webhooks.

An endpoint is one socket's session. With debouncing, it is the identity that comes and goes: it
has come with its first endpoint, and has gone once none was connected for a while, to whichever
process. So an endpoint is kept in Redis for that while after its connection has ended.

Each process keeps a list of its endpoints in Redis. Those of one that died are taken over by
another, or by the one that starts next, as if their connections had just ended.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import Counter
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import orjson

from syncline_protocol.errors import Refusal
from syncline_protocol.sids import bucket_of_name
from syncline_server.storage import keys
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.redis.connection import ReplyError
from syncline_server.storage.scripts import WEBHOOKS
from syncline_server.storage.services import Service, Services

from .queue import Queue
from .retry import insist

__all__ = ["Reachability", "make_endpoint_id"]

logger = logging.getLogger("syncline.webhooks")

LOOK_INTERVAL = 2.0
"""Seconds between signs of life, and between looks for processes that gave none."""

LIFE_MS = 10_000
"""Milliseconds for which a sign of life holds."""

TAKEN_AT_ONCE = 256
"""Endpoints of a dead process that are taken over at a time."""

LOOKS_UNTIL_DEAD = 3
"""Looks in a row that find no sign of life: after Redis was away, all have to give one first."""

STOP_TIMEOUT = 2.0
"""Seconds that a stopping process takes to tell of those who left with it."""


@dataclass(frozen=True, slots=True)
class _Endpoint:
    service_sid: str
    identity: str
    id: str

    @property
    def record(self) -> bytes:
        """As the list of a process has it."""
        return orjson.dumps([self.service_sid, self.identity, self.id])


class Reachability:
    """The endpoints of one process, in services that have this told."""

    def __init__(self, redis: Redis, services: Services, queue: Queue, queue_limit: int) -> None:
        """`queue_limit`: webhooks that may wait in one bucket."""
        self._redis = redis
        self._services = services
        self._queue = queue
        self._limit = queue_limit
        self._name = secrets.token_hex(8)
        self._own = keys.endpoints(self._name)
        self._present: dict[str, tuple[_Endpoint, asyncio.Task[None]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._leaving: set[asyncio.Task[None]] = set()
        self._is_listed = False
        # Looks at each process that found no sign of life.
        self._silent: Counter[str] = Counter()
        self._watching: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Look for what dead processes left, from now on."""
        self._watching = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Tell of those who have gone; who is waited for is left to others."""
        if self._watching is not None:
            self._watching.cancel()
            with suppress(asyncio.CancelledError):
                await self._watching
        if self._leaving:
            await asyncio.wait(self._leaving, timeout=STOP_TIMEOUT)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._is_listed:
            with suppress(Refusal, ReplyError):
                await self._redis.execute("DEL", _alive(self._name))

    def arrive(self, service_sid: str, identity: str, endpoint: str) -> None:
        """A client has connected."""
        if _tells(self._services.known(service_sid)):
            made = _Endpoint(service_sid, identity, endpoint)
            self._present[endpoint] = made, self._spawn(self._tell_of_arrival(made))

    def leave(self, endpoint: str) -> None:
        """Its connection has ended; whoever did not arrive may leave too."""
        made = self._present.pop(endpoint, None)
        if made is not None:
            self._see_off(*made)

    def _see_off(self, endpoint: _Endpoint, arrival: asyncio.Task[None] | None = None) -> None:
        """Tell of a departure, at once or after a while."""
        service, window = self._services.known(endpoint.service_sid), 0.0
        if service is not None and service.reachability_debouncing_enabled:
            window = service.reachability_debouncing_window / 1000
        task = self._spawn(self._tell_of_departure(endpoint, arrival, window))
        if not window:
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)

    async def _tell_of_arrival(self, endpoint: _Endpoint) -> None:
        if not self._is_listed:
            await insist(self._list)
        # On the list first: should this process die in between, whoever takes it over finds out.
        await insist(lambda: self._redis.execute("SADD", self._own, endpoint.record))
        await insist(lambda: self._change("arrive", endpoint))

    async def _tell_of_departure(
        self, endpoint: _Endpoint, arrival: asyncio.Task[None] | None, window: float
    ) -> None:
        if arrival is not None:
            await asyncio.wait([arrival])
        await asyncio.sleep(window)
        await insist(lambda: self._change("leave", endpoint))
        await insist(lambda: self._redis.execute("SREM", self._own, endpoint.record))

    async def _change(self, verb: str, endpoint: _Endpoint) -> None:
        service = await self._services.find(endpoint.service_sid)
        bucket = bucket_of_name(endpoint.identity)
        await self._queue.note(endpoint.service_sid, f"{bucket:02x}")
        await self._redis.run(
            WEBHOOKS,
            keys.bucket_tag(endpoint.service_sid, bucket),
            verb,
            self._limit,
            int(_tells(service)),
            int(service is not None and service.reachability_debouncing_enabled),
            endpoint.identity,
            endpoint.id,
        )

    async def _list(self) -> None:
        """Have this process known, before it has endpoints, and give a sign of life."""
        await self._redis.execute("SET", _alive(self._name), "", "PX", LIFE_MS)
        await self._redis.execute("SADD", keys.ENDPOINTS, self._name)
        self._is_listed = True

    async def _watch(self) -> None:
        while True:
            try:
                if self._is_listed:
                    await self._list()
                await self._look()
            except (Refusal, ReplyError) as error:
                logger.debug("reachability waits for Redis: %s", error)
            await asyncio.sleep(LOOK_INTERVAL)

    async def _look(self) -> None:
        names = [name.decode() for name in await self._redis.execute("SMEMBERS", keys.ENDPOINTS)]
        for name in names:
            if name == self._name or await self._redis.execute("EXISTS", _alive(name)):
                self._silent.pop(name, None)
                continue
            self._silent[name] += 1
            if self._silent[name] >= LOOKS_UNTIL_DEAD:
                await self._inherit(name)

    async def _inherit(self, name: str) -> None:
        """Take over the endpoints of a process that has died."""
        theirs, own = keys.endpoints(name), self._redis.prefixed(self._own)
        await self._list()
        while records := await self._redis.execute("SRANDMEMBER", theirs, TAKEN_AT_ONCE):
            for record in records:
                endpoint = _Endpoint(*orjson.loads(record))
                await self._services.find(endpoint.service_sid)  # from here on it is known
                # Only one of those who try gets it.
                if await self._redis.execute("SMOVE", theirs, own, record):
                    self._see_off(endpoint)
        await self._redis.execute("SREM", keys.ENDPOINTS, name)
        del self._silent[name]

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def make_endpoint_id() -> str:
    """The name of a connection."""
    return f"EP{secrets.token_hex(16)}"


def _alive(process: str) -> str:
    """The key that is there while a process lives."""
    return f"{keys.endpoints(process)}:alive"


def _tells(service: Service | None) -> bool:
    return (
        service is not None
        and service.webhook_url is not None
        and service.reachability_webhooks_enabled
    )
