"""Deletions of services: removes their objects in the background, and notifies subscribers.

`Services.delete` records the order in the same step that makes the service unknown. One process at
a time carries it out, bucket by bucket, and records its progress. If it dies, another process goes
on from there: the one with the lease of the periodic work looks for orders. Large keys are left to
the reclaimer, which needs no service.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace

import orjson

from syncline_protocol.errors import Refusal, codes_of
from syncline_protocol.objects import SYSTEM, TYPES
from syncline_protocol.sids import BUCKETS
from syncline_server.observability.tasks import PeriodicTask

from . import keys
from .author import Author
from .change_watcher import STALE_AFTER
from .garbage import Garbage
from .keys import ObjectAddress
from .objects import Objects
from .periodic_lease import PeriodicLease
from .redis.client import Redis
from .services import Service

__all__ = ["Deletion", "Deletions"]

logger = logging.getLogger("syncline.deletions")

CHECK_INTERVAL = 1.0
"""Seconds between checks for services to delete."""

DELETER = Author(identity=SYSTEM)
"""Author of the removals: they queue no webhooks, for the service is gone."""

BATCH = 50
"""Objects that are read from an index and removed at once: every other commit waits for them."""

RECORD_INTERVAL = 1.0
"""Seconds between records, and log lines, of a deletion's progress."""

LEASE_MS = 3000
"""Milliseconds for which a lease lasts, unless its process renews it."""

GRACE = 2 * STALE_AFTER + 1.0
"""Seconds after which no process has the service in its cache and can create objects in it."""


@dataclass(frozen=True, slots=True)
class Deletion:
    """The progress of the deletion of a service.

    Attributes:
        sid: of the service.
        bucket: the first bucket that is not known to be empty; `BUCKETS` once all were emptied.
            Objects that were created meanwhile can be left then.
        removed: objects removed so far.
    """

    sid: str
    bucket: int = 0
    removed: int = 0

    @property
    def record(self) -> bytes:
        """The JSON that is stored."""
        return orjson.dumps({"bucket": self.bucket, "removed": self.removed})


class Deletions(PeriodicTask):
    """Carries out the deletions, one after the other. After `stop` another process goes on, or this
    one after its next start."""

    def __init__(self, redis: Redis, objects: Objects, lease: PeriodicLease | None = None) -> None:
        """`lease`: this process looks for orders while it has it; None to look always."""
        super().__init__(
            self._carry_out_all, CHECK_INTERVAL, name="the deletion of services", logger=logger
        )
        self._redis = redis
        self._objects = objects
        self._garbage = Garbage(redis)
        self._holder = secrets.token_hex(8)
        # Loop time at which this process first saw each order.
        self._seen: dict[str, float] = {}
        self._periodic_lease = lease
        # True if this process knows of an order that it has not seen yet.
        self._is_ordered = False
        if lease is not None:
            lease.on_gain(self.wake)

    def on_service_change(self, _: Service, after: Service | None) -> None:
        """Carry out a deletion at once that this process has ordered or noticed."""
        if after is None:
            self._is_ordered = True
            self.wake()

    async def _carry_out_all(self) -> None:
        # A process that has begun with an order goes on with it.
        lease, knows_orders = self._periodic_lease, self._is_ordered or bool(self._seen)
        if lease is not None and not (lease.is_held or knows_orders):
            return
        self._is_ordered = False
        now = asyncio.get_running_loop().time()
        orders = await self._orders()
        self._seen = {each.sid: self._seen.get(each.sid, now) for each in orders}
        for deletion in orders:
            if await self._lease(deletion):
                await self._continue(deletion)

    async def _orders(self) -> list[Deletion]:
        stored = await self._redis.execute("HGETALL", keys.DELETIONS)
        pairs = zip(stored[::2], stored[1::2], strict=True)
        return [Deletion(sid.decode(), **orjson.loads(record)) for sid, record in pairs]

    async def _lease(self, deletion: Deletion) -> bool:
        """True if this process has the lease of a deletion now.

        Two processes at once would be safe, but do the work twice.
        """
        lease = keys.deletion_lease(deletion.sid)
        free = await self._redis.execute("SET", lease, self._holder, "NX", "PX", LEASE_MS)
        return free is not None or await self._redis.execute("GET", lease) == self._holder.encode()

    async def _continue(self, deletion: Deletion) -> None:
        # 1. Empty all buckets.
        if deletion.bucket < BUCKETS:
            deletion = replace(await self._empty(deletion), bucket=BUCKETS)
            await self._record(deletion)
        # 2. Until `GRACE` has passed, another process may still have the service in its cache and
        #    create objects. Empty all buckets once more after that, then remove the order.
        if asyncio.get_running_loop().time() - self._seen[deletion.sid] >= GRACE:
            await self._finish(await self._empty(replace(deletion, bucket=0)))

    async def _empty(self, deletion: Deletion) -> Deletion:
        clock = asyncio.get_running_loop().time
        recorded_at = clock()
        for bucket in range(deletion.bucket, BUCKETS):
            while removed := await self._remove_some(deletion.sid, bucket):
                deletion = replace(deletion, bucket=bucket, removed=deletion.removed + removed)
                if clock() - recorded_at > RECORD_INTERVAL:
                    await self._record(deletion)
                    recorded_at = clock()
            tag = keys.bucket_tag(deletion.sid, bucket)
            queue = keys.webhook_queue(tag)
            # Pointers to objects in other buckets, and expiries of items, are not removed with an
            # object of this bucket.
            names = (keys.names(tag, each) for each in TYPES)
            await self._discard(tag, (queue, f"{queue}:dropped", keys.expiries(tag), *names))
        return deletion

    async def _discard(self, tag: str, names: Iterable[str]) -> None:
        """Take away keys that begin with this tag: one of them may have a million entries."""
        await self._garbage.discard(tag, (name[len(tag) + 1 :] for name in names))

    async def _remove_some(self, service_sid: str, bucket: int) -> int:
        """Remove a batch of objects of each type, and return their number."""
        tag, removed = keys.bucket_tag(service_sid, bucket), 0
        for type_ in TYPES:
            index = keys.listing(tag, type_)
            sids = await self._redis.execute("ZRANGE", index, 0, BATCH - 1)
            places = (ObjectAddress(service_sid, type_, sid.decode()) for sid in sids)
            await asyncio.gather(*(self._remove(at) for at in places))
            removed += len(sids)
        return removed

    async def _remove(self, at: ObjectAddress) -> None:
        try:
            await self._objects.remove(at, DELETER)
        except Refusal as refusal:
            if refusal.code is not codes_of(at.type).absent:
                raise  # absent: it had expired, and the script has removed it

    async def _record(self, deletion: Deletion) -> None:
        lease = keys.deletion_lease(deletion.sid)
        await self._redis.execute("HSET", keys.DELETIONS, deletion.sid, deletion.record)
        await self._redis.execute("PEXPIRE", lease, LEASE_MS)
        logger.info(
            "deleting service %s: %d of %d buckets are empty, %d objects removed so far",
            deletion.sid,
            deletion.bucket,
            BUCKETS,
            deletion.removed,
        )

    async def _finish(self, deletion: Deletion) -> None:
        parked = keys.webhooks_parked(deletion.sid)
        # These have an entry for each bucket, at most.
        for key in (keys.due(deletion.sid), keys.filled(deletion.sid)):
            await self._redis.execute("UNLINK", key)
        await self._discard(keys.service_tag(deletion.sid), (parked, f"{parked}:index"))
        await self._redis.execute("HDEL", keys.DELETIONS, deletion.sid)
        await self._redis.execute("DEL", keys.deletion_lease(deletion.sid))
        logger.info("service %s is deleted: %d objects removed", deletion.sid, deletion.removed)
