"""Dead letters ("parked webhooks"): undeliverable webhooks, kept to be replayed or deleted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from syncline_protocol.errors import Code, Refusal
from syncline_protocol.fields import show
from syncline_server.storage import keys
from syncline_server.storage.paging import Page, read_page
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.redis.connection import Argument
from syncline_server.storage.scripts import DEAD_LETTERS, by_name

from .events import QueuedEvent
from .outcome import Outcome
from .queue import Queue

__all__ = ["Parked", "DeadLetters"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """A parked webhook.

    Attributes:
        parked_ms: when it was parked, in milliseconds since the epoch.
        attempts: attempts of the process that parked it, since it read the event.
        status: HTTP status of the last reply; None without a reply.
        reason: why it was parked, in a sentence.
    """

    event: QueuedEvent
    parked_ms: int
    attempts: int
    status: int | None
    reason: str

    @property
    def id(self) -> str:
        """Unique within its service; sorts by time."""
        return self.event.key

    @property
    def record(self) -> bytes:
        """The stored form, JSON."""
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
        """Parse a `record`."""
        members: dict[str, Any] = orjson.loads(record)
        event = QueuedEvent.of(members.pop("bucket"), members.pop("id"), members.pop("event"))
        return cls(event=event, **members)


class DeadLetters:
    """The parked webhooks of all services. Every method raises a `StorageError` while Redis is
    away."""

    def __init__(self, redis: Redis, queue: Queue, limit: int, queue_limit: int) -> None:
        """
        Args:
            limit: maximum parked webhooks of one service; beyond, the oldest are deleted.
            queue_limit: maximum queued webhooks of one bucket.
        """
        self._redis = redis
        self._queue = queue
        self._limit = limit
        self._queue_limit = queue_limit

    async def park(
        self, service_sid: str, event: QueuedEvent, attempts: int, outcome: Outcome
    ) -> int:
        """Park an event; returns how many older ones were deleted. Safe to repeat."""
        parked = Parked(
            event=event,
            parked_ms=self._redis.now_ms(),
            attempts=attempts,
            status=outcome.status,
            reason=outcome.reason,
        )
        record, limit = parked.record, self._limit
        return await self._run("park", service_sid, parked.id, record=record, limit=limit)

    async def count(self, service_sid: str) -> int:
        """Number of parked webhooks of a service."""
        return int(await self._redis.execute("HLEN", keys.webhooks_parked(service_sid)))

    async def page(self, service_sid: str, size: int, token: str | None) -> Page[Parked]:
        """At most `size` parked webhooks, the oldest first. Raises `INVALID_PAGE_TOKEN`."""
        key = keys.webhooks_parked(service_sid)
        page = await read_page(self._redis, f"{key}:index", size, token)
        records = await self._redis.execute("HMGET", key, *page.items) if page.items else []
        found = [Parked.parse(record) for record in records if record is not None]
        return Page(found, page.previous, page.next)

    async def get(self, service_sid: str, id: str) -> Parked:
        """The parked webhook with that id. Raises `NOT_FOUND`."""
        record = await self._redis.execute("HGET", keys.webhooks_parked(service_sid), id)
        if record is None:
            raise _absent(id)
        return Parked.parse(record)

    async def replay(self, service_sid: str, id: str) -> Parked:
        """Queue a parked webhook again, behind all waiting events. Raises `NOT_FOUND`.

        First queue it, then delete it: if this process dies in between, it is both queued and
        parked, but not lost.
        """
        parked = await self.get(service_sid, id)
        await self._queue.append(service_sid, parked.event, self._queue_limit)
        await self._drop(service_sid, id)
        return parked

    async def drop(self, service_sid: str, id: str) -> None:
        """Delete a parked webhook. Raises `NOT_FOUND`."""
        if not await self._drop(service_sid, id):
            raise _absent(id)

    async def _drop(self, service_sid: str, id: str) -> bool:
        return bool(await self._run("drop", service_sid, id))

    async def _run(self, verb: str, service_sid: str, id: str, **others: Argument) -> int:
        arguments = by_name({"verb": verb, "id": id, **others})
        key = keys.webhooks_parked(service_sid)
        return int(await self._redis.run(DEAD_LETTERS, key, *arguments))


def _absent(id: str) -> Refusal:
    return Refusal(Code.NOT_FOUND, f"There is no parked webhook {show(id)}.")
