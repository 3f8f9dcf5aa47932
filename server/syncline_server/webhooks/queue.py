"""Webhook queues in Redis: a stream for each bucket, a lease for each service, and the index."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

import orjson

from syncline_server.storage import keys
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.redis.connection import Argument
from syncline_server.storage.scripts import LEASE, SETTLE, WEBHOOKS, by_name
from syncline_server.storage.webhooks import BucketIndex

from .events import QueuedEvent

__all__ = ["BEGINNING", "NEW", "Queue", "EventBatch"]

BEGINNING = "0"
"""Cursor of the pending events: read before, by any process, and not done yet."""

NEW = ">"
"""Cursor of events that no process has read."""


@dataclass(frozen=True, slots=True)
class EventBatch:
    """Events read from a queue, in its order.

    Attributes:
        waiting: events in the queue that are not done, including these.
        dropped: events that newer ones displaced since the last read.
        last: cursor to read on from; "" if nothing was read.
    """

    waiting: int
    dropped: int
    events: list[QueuedEvent]
    last: str


class Queue:
    """All queues. Every method raises a `StorageError` while Redis is away.

    Attributes:
        bucket_index: the index that each webhook outside of a commit is added to.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self.bucket_index = BucketIndex(redis)
        self._name = secrets.token_hex(8)

    def now_ms(self) -> int:
        """Redis' time in milliseconds since the epoch; events are dated by it."""
        return self._redis.now_ms()

    async def buckets(self) -> dict[str, dict[str, bytes]]:
        """The index: buckets that may have webhooks, by service, each with its score."""
        found = await self._redis.execute("ZRANGE", keys.WEBHOOKS, 0, -1, "WITHSCORES")
        buckets: dict[str, dict[str, bytes]] = {}
        for member, score in zip(found[::2], found[1::2], strict=True):
            service_sid, _, bucket = member.decode().partition(":")
            buckets.setdefault(service_sid, {})[bucket] = score
        return buckets

    async def add_bucket(self, service_sid: str, bucket: str) -> None:
        """Add a bucket to the index, so that a consumer reads it."""
        await self.bucket_index.write([f"{service_sid}:{bucket}"])

    async def remove_bucket(self, service_sid: str, bucket: str, score: bytes) -> None:
        """Remove an empty bucket from the index, and its queue if it is empty.

        The entry stays if its score is no longer `score`: a writer added the bucket again.
        """
        arguments = by_name({"bucket": f"{service_sid}:{bucket}", "score": score})
        await self._redis.run(SETTLE, keys.WEBHOOKS, *arguments)
        await self._run("tidy", service_sid, bucket)

    async def exists(self, service_sid: str, bucket: str) -> bool:
        """True if a bucket has a queue."""
        queue = keys.webhook_queue(_tag(service_sid, bucket))
        return bool(await self._redis.execute("EXISTS", queue))

    async def read_batch(
        self, service_sid: str, bucket: str, cursor: str, count: int
    ) -> EventBatch:
        """Read at most `count` events. Read from `BEGINNING` through the last pending event before
        `NEW`, else new events overtake pending ones."""
        reply = await self._run("take", service_sid, bucket, cursor=cursor, count=count)
        waiting, dropped, last, entries = reply
        events = [QueuedEvent.parse(bucket, id, fields) for id, fields in entries]
        return EventBatch(waiting, dropped, events, last.decode())

    async def read_event(self, service_sid: str, event: QueuedEvent) -> QueuedEvent | None:
        """The whole of a partly known event; None if newer events displaced it."""
        queue = keys.webhook_queue(_tag(service_sid, event.bucket))
        found = await self._redis.execute("XRANGE", queue, event.id, event.id)
        return QueuedEvent.parse(event.bucket, *found[0]) if found else None

    async def remove_event(self, service_sid: str, event: QueuedEvent) -> None:
        """Remove an event that was delivered, parked or discarded."""
        await self._run("done", service_sid, event.bucket, id=event.id)

    async def append(self, service_sid: str, event: QueuedEvent, limit: int) -> None:
        """Queue an event again, behind all waiting events."""
        await self.add_bucket(service_sid, event.bucket)
        fields = orjson.dumps(event.fields)
        await self._run("append", service_sid, event.bucket, limit=limit, event=fields)

    async def acquire(self, service_sid: str, lease_ms: int) -> bool:
        """Acquire the lease of a service for `lease_ms`; False if another process has it."""
        lease = keys.webhook_lease(service_sid)
        command = ("SET", lease, self._name, "NX", "PX", lease_ms)
        if await self._redis.execute(*command) is not None:
            return True
        # This process has it already if the reply to an earlier request was lost.
        return await self.renew(service_sid, lease_ms)

    async def renew(self, service_sid: str, lease_ms: int) -> bool:
        """Renew the lease for `lease_ms` from now; 0 gives it back. False if it was lost."""
        arguments = by_name({"holder": self._name, "ms": lease_ms})
        return bool(await self._redis.run(LEASE, keys.webhook_lease(service_sid), *arguments))

    async def _run(self, verb: str, service_sid: str, bucket: str, **others: Argument) -> Any:
        arguments = by_name({"verb": verb, **others})
        return await self._redis.run(WEBHOOKS, _tag(service_sid, bucket), *arguments)


def _tag(service_sid: str, bucket: str) -> str:
    return keys.bucket_tag(service_sid, int(bucket, 16))
