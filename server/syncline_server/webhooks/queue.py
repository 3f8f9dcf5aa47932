"""The queues of webhooks in Redis: one for each bucket, and one lease for each service."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from syncline_server.storage import keys
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.scripts import LEASE, SETTLE, WEBHOOKS
from syncline_server.storage.webhooks import Notes

from .events import QueuedEvent

__all__ = ["BEGINNING", "NEW", "Queue", "Taken"]

BEGINNING = "0"
"""The cursor of what was taken before, by whoever, and is not done yet."""

NEW = ">"
"""The cursor of what was not taken before."""


@dataclass(frozen=True, slots=True)
class Taken:
    """Some of a queue, in its order.

    Attributes:
        waiting: how many there are, these and the others that are not done included.
        dropped: how many gave way to newer ones since the last look.
        last: the cursor that leads on; "" where there were none.
    """

    waiting: int
    dropped: int
    events: list[QueuedEvent]
    last: str


class Queue:
    """All queues. Every method raises `Refusal` or `ReplyError` while Redis is away."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._notes = Notes(redis)
        self._name = secrets.token_hex(8)

    def now_ms(self) -> int:
        """Redis' time, by which events are dated."""
        return self._redis.now_ms()

    async def noted(self) -> dict[str, dict[str, bytes]]:
        """The buckets that may hold webhooks, by service; each with its score."""
        found = await self._redis.execute("ZRANGE", keys.WEBHOOKS, 0, -1, "WITHSCORES")
        noted: dict[str, dict[str, bytes]] = {}
        for member, score in zip(found[::2], found[1::2], strict=True):
            service_sid, _, bucket = member.decode().partition(":")
            noted.setdefault(service_sid, {})[bucket] = score
        return noted

    async def note(self, service_sid: str, bucket: str) -> None:
        """Have somebody look at a bucket."""
        await self._notes.write([f"{service_sid}:{bucket}"])

    async def settle(self, service_sid: str, bucket: str, score: bytes) -> None:
        """Nothing is in a bucket: it need not be looked at, unless it was noted since then."""
        await self._redis.run(SETTLE, keys.WEBHOOKS, f"{service_sid}:{bucket}", score)
        await self._redis.run(WEBHOOKS, _tag(service_sid, bucket), "tidy")

    async def exists(self, service_sid: str, bucket: str) -> bool:
        """Whether a bucket has a queue."""
        queue = keys.webhook_queue(_tag(service_sid, bucket))
        return bool(await self._redis.execute("EXISTS", queue))

    async def take(self, service_sid: str, bucket: str, cursor: str, count: int) -> Taken:
        """At most `count` events; `BEGINNING` and what follows must come before `NEW`."""
        tag = _tag(service_sid, bucket)
        reply = await self._redis.run(WEBHOOKS, tag, "take", cursor, count)
        waiting, dropped, last, entries = reply
        events = [QueuedEvent.parse(bucket, id, fields) for id, fields in entries]
        return Taken(waiting, dropped, events, last.decode())

    async def read(self, service_sid: str, event: QueuedEvent) -> QueuedEvent | None:
        """An event of which only a part is known; None if it has given way to newer ones."""
        queue = keys.webhook_queue(_tag(service_sid, event.bucket))
        found = await self._redis.execute("XRANGE", queue, event.id, event.id)
        return QueuedEvent.parse(event.bucket, *found[0]) if found else None

    async def done(self, service_sid: str, event: QueuedEvent) -> None:
        """Nothing is left to do for an event."""
        await self._redis.run(WEBHOOKS, _tag(service_sid, event.bucket), "done", event.id)

    async def append(self, service_sid: str, event: QueuedEvent, limit: int) -> None:
        """Queue an event again, behind all that wait."""
        words = [word for pair in event.fields.items() for word in pair]
        await self.note(service_sid, event.bucket)
        await self._redis.run(WEBHOOKS, _tag(service_sid, event.bucket), "append", limit, *words)

    async def acquire(self, service_sid: str, lease_ms: int) -> bool:
        """Take the lease of a service; False while another process has it."""
        lease = keys.webhook_lease(service_sid)
        command = ("SET", lease, self._name, "NX", "PX", lease_ms)
        return await self._redis.execute(*command) is not None

    async def renew(self, service_sid: str, lease_ms: int) -> bool:
        """Keep the lease from now on; 0 gives it back. False if it is another process' now."""
        lease = keys.webhook_lease(service_sid)
        return bool(await self._redis.run(LEASE, lease, self._name, lease_ms))


def _tag(service_sid: str, bucket: str) -> str:
    return keys.bucket_tag(service_sid, int(bucket, 16))
