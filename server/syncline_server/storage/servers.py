"""The servers of a data set: each of their processes gives signs of life in Redis."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass

import orjson

from syncline_server.observability.tasks import PeriodicTask

from . import keys
from .errors import StorageError
from .redis.client import Redis

__all__ = ["Member", "ServerRegistry"]

logger = logging.getLogger("syncline.servers")

INTERVAL = 5.0
"""Seconds between two signs of life."""

READING_INTERVAL = 60.0
"""Seconds between two reads of all processes where nobody asks for them. Each process reads them
all, so that what Redis does for this grows with their square."""

SILENCE_MS = 15_000
"""Milliseconds without a sign of life after which a process counts as replaced, if another one has
its name and number."""

MEMORY_MS = 600_000
"""Milliseconds without a sign of life after which a process that was not replaced is forgotten. Its
server may be cut off from Redis, and its clients still be connected."""

MEMBER_LIMIT = 1_000
"""Processes that are remembered; further ones are forgotten, the longest silent first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A process of a server.

    Attributes:
        process: random, of this run of the process.
        server: random, the same for all workers of a server.
        name: of the server, for people; several servers may have the same.
        worker: number of the process among the workers.
    """

    process: str
    server: str
    name: str
    worker: int


class ServerRegistry:
    """Registers this process, and knows the others."""

    def __init__(self, redis: Redis, own: Member) -> None:
        self.own = own
        self._redis = redis
        self._others: list[Member] | None = None
        self._read_at = float("-inf")  # `time.monotonic`
        self._beat = PeriodicTask(self._register, INTERVAL, name="the registry", logger=logger)

    def start(self) -> None:
        """Begin to give signs of life."""
        self._beat.start()

    async def stop(self) -> None:
        """End them, and be forgotten at once."""
        await self._beat.stop()
        with suppress(StorageError):
            await self._redis.execute("HDEL", keys.SERVERS, self.own.process)

    @property
    def last_others(self) -> list[Member] | None:
        """The processes of other servers as they were last read, within `READING_INTERVAL` while
        Redis answers; None if they never were."""
        return self._others

    async def others(self) -> list[Member]:
        """The processes of other servers, also those that are silent. Raises as `Redis.execute`."""
        now = self._redis.now_ms(keys.SERVERS)
        stored = await self._redis.execute("HGETALL", keys.SERVERS)
        seen = dict(_read(stored))
        kept = _kept(seen, now)
        gone = {process.decode() for process in stored[::2]} - {each.process for each in kept}
        if gone:
            await self._redis.execute("HDEL", keys.SERVERS, *gone)
        self._others = [each for each in kept if each.server != self.own.server]
        self._read_at = time.monotonic()
        return self._others

    async def _register(self) -> None:
        now = self._redis.now_ms(keys.SERVERS)
        record = orjson.dumps({**asdict(self.own), "seen": now})
        await self._redis.execute("HSET", keys.SERVERS, self.own.process, record)
        if time.monotonic() - self._read_at >= READING_INTERVAL:
            await self.others()


def _read(stored: list[bytes]) -> Iterable[tuple[Member, int]]:
    """The members, each with the time of its last sign of life in ms; others are left out."""
    for record in stored[1::2]:
        with suppress(LookupError, TypeError, ValueError):
            fields = orjson.loads(record)
            seen = int(fields.pop("seen"))
            yield Member(**fields), seen


def _kept(seen: dict[Member, int], now: int) -> list[Member]:
    """The members that are not forgotten, the one with the newest sign of life first."""
    kept: list[Member] = []
    places = set[tuple[str, int]]()
    for each in sorted(seen, key=lambda each: -seen[each])[:MEMBER_LIMIT]:
        silence, place = now - seen[each], (each.name, each.worker)
        is_replaced = silence > SILENCE_MS and place in places
        if silence <= MEMORY_MS and not is_replaced:
            kept.append(each)
        places.add(place)
    return kept
