"""Webhooks that were given up, kept until somebody has them sent again or drops them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from syncline_protocol.errors import Code, Refusal
from syncline_protocol.fields import show
from syncline_server.storage import keys
from syncline_server.storage.paging import Page, read_page
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.scripts import PARKING

from .events import QueuedEvent
from .queue import Queue
from .sender import Outcome

__all__ = ["Parked", "Parking"]


@dataclass(frozen=True, slots=True)
class Parked:
    """A webhook that was given up.

    Attributes:
        parked_ms: when, in milliseconds since the epoch.
        attempts: since the last start of the server that gave it up.
        status: of the last reply; None if there was none.
        reason: why it was given up, in a sentence.
    """

    event: QueuedEvent
    parked_ms: int
    attempts: int
    status: int | None
    reason: str

    @property
    def id(self) -> str:
        """Names it within its service; in the order of time."""
        return self.event.key

    @property
    def record(self) -> bytes:
        """As it is stored."""
        members = {
            "id": self.event.id,
            "bucket": self.event.bucket,
            "event": self.event.fields,
            "parked_ms": self.parked_ms,
            "attempts": self.attempts,
            "status": self.status,
            "reason": self.reason,
        }
        return orjson.dumps(members)

    @classmethod
    def parse(cls, record: bytes) -> Parked:
        """What `record` made."""
        members: dict[str, Any] = orjson.loads(record)
        event = QueuedEvent.of(members.pop("bucket"), members.pop("id"), members.pop("event"))
        return cls(event, **members)


class Parking:
    """The parked webhooks of all services. Every method raises `UNAVAILABLE` without Redis."""

    def __init__(self, redis: Redis, queue: Queue, limit: int, queue_limit: int) -> None:
        """
        Args:
            limit: webhooks of one service, at most; beyond, the oldest give way.
            queue_limit: those that may wait in one bucket.
        """
        self._redis = redis
        self._queue = queue
        self._limit = limit
        self._queue_limit = queue_limit

    async def park(
        self, service_sid: str, event: QueuedEvent, attempts: int, outcome: Outcome
    ) -> int:
        """Keep an event; returns how many gave way. Safe to repeat."""
        parked = Parked(event, self._redis.now_ms(), attempts, outcome.status, outcome.reason)
        key = keys.webhooks_parked(service_sid)
        gone = await self._redis.run(PARKING, key, "park", parked.id, parked.record, self._limit)
        return int(gone)

    async def count(self, service_sid: str) -> int:
        """How many there are."""
        return int(await self._redis.execute("HLEN", keys.webhooks_parked(service_sid)))

    async def page(self, service_sid: str, size: int, token: str | None) -> Page[Parked]:
        """At most `size`, the oldest first; raises `INVALID_PAGE_TOKEN`."""
        key = keys.webhooks_parked(service_sid)
        page = await read_page(self._redis, f"{key}:index", size, token)
        records = await self._redis.execute("HMGET", key, *page.items) if page.items else []
        found = [Parked.parse(record) for record in records if record is not None]
        return Page(found, page.previous, page.next)

    async def get(self, service_sid: str, id: str) -> Parked:
        """The one with that id; raises `NOT_FOUND`."""
        record = await self._redis.execute("HGET", keys.webhooks_parked(service_sid), id)
        if record is None:
            raise _absent(id)
        return Parked.parse(record)

    async def replay(self, service_sid: str, id: str) -> Parked:
        """Queue one again, behind what waits; raises `NOT_FOUND`.

        Should this process die in between, it is queued and parked.
        """
        parked = await self.get(service_sid, id)
        await self._queue.append(service_sid, parked.event, self._queue_limit)
        await self._drop(service_sid, id)
        return parked

    async def drop(self, service_sid: str, id: str) -> None:
        """Give one up for good; raises `NOT_FOUND`."""
        if not await self._drop(service_sid, id):
            raise _absent(id)

    async def _drop(self, service_sid: str, id: str) -> bool:
        key = keys.webhooks_parked(service_sid)
        return bool(await self._redis.run(PARKING, key, "drop", id))


def _absent(id: str) -> Refusal:
    return Refusal(Code.NOT_FOUND, f"There is no parked webhook {show(id)}.")
