"""The sweeper: removes objects and items past their expiry, and so notifies their subscribers.

Readers do not depend on it: an object past its expiry is absent to them at once. The process with
the lease of the periodic work sweeps. Several may sweep at the same time, as after a pause of that
process, since each removal is one atomic script.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator

from syncline_protocol.objects import SYSTEM
from syncline_protocol.sids import BUCKETS
from syncline_server.observability.tasks import PeriodicTask

from . import keys
from .author import Author
from .errors import StorageError
from .filled_buckets import FilledBuckets
from .items import Items
from .keys import ObjectAddress
from .objects import Objects
from .periodic_lease import PeriodicLease
from .redis.client import Redis
from .scripts import DUE, by_name
from .webhooks import WebhookPolicy

__all__ = ["Sweeper"]

logger = logging.getLogger("syncline.expiry")

BATCH = 200
"""Objects and items of one bucket that are removed at once, at most."""

ITEMS_PER_COMMIT = 50
"""Items that one commit removes, at most: its event names them all, and Redis does nothing else
meanwhile."""

ITEM_COMMITS = 2
"""Commits of items that are under way at once, at most, of all buckets: every other commit waits
for them, at about 20 µs an item. Several share one wait for the disk, where each commit must be on
it."""

OBJECT_COMMITS = 50
"""Commits of whole objects that are under way at once, at most, of all buckets: about 2 ms."""

PASSES = 25
"""Batches of one bucket in a row. Then the other buckets and services have their turn, and the next
round begins at once."""

INSPECTION_INTERVAL = 60.0
"""Seconds between inspections of all buckets, which find those that a crash or a failover kept off
the index. After an error the next round inspects at once, and so does a process that gets the
lease."""


class Sweeper(PeriodicTask):
    """Sweeps all services, until it is stopped."""

    def __init__(
        self,
        redis: Redis,
        objects: Objects,
        items: Items,
        interval: float,
        *,
        webhooks: Callable[[str], Awaitable[WebhookPolicy | None]] | None = None,
        lease: PeriodicLease | None = None,
    ) -> None:
        """
        Args:
            interval: seconds between sweeps.
            webhooks: returns the policy of a service; None for no webhooks.
            lease: this process sweeps while it has it; None to sweep always.
        """
        super().__init__(self._sweep_all, interval, name="the sweep", logger=logger)
        self._redis = redis
        self._objects = objects
        self._items = items
        self._item_commits = asyncio.Semaphore(ITEM_COMMITS)
        self._object_commits = asyncio.Semaphore(OBJECT_COMMITS)
        self._filled = FilledBuckets(redis)
        self._webhooks = webhooks
        self._inspected_at = float("-inf")  # loop time
        self._lease = lease
        self._was_asked = False
        if lease is not None:
            lease.on_gain(self._begin)

    async def run_again(self) -> None:
        """Return once a sweep that began after this call has ended; it needs no lease."""
        self._was_asked = True
        await super().run_again()

    def _begin(self) -> None:
        """Sweep from now on. The process before may have died in the middle of a sweep, with
        buckets off the index."""
        self._inspected_at = float("-inf")
        self.wake()

    async def _sweep_all(self) -> None:
        was_asked, self._was_asked = self._was_asked, False
        if self._lease is not None and not (self._lease.is_held or was_asked):
            return
        clock = asyncio.get_running_loop().time
        if clock() - self._inspected_at >= INSPECTION_INTERVAL:
            for service_sid in await self._services():
                await self._index(service_sid, await self._filled.inspect(service_sid))
            self._inspected_at = clock()
        # A sweep takes due buckets off the index first. If it fails, it may not have put them back:
        # inspect all buckets in the next round.
        outcomes = [await self._try_sweep(sid) for sid in await self._services()]
        if not all(outcomes):
            self._inspected_at = float("-inf")

    async def _services(self) -> list[str]:
        return [sid.decode() for sid in await self._redis.execute("HKEYS", keys.SERVICES)]

    async def _try_sweep(self, service_sid: str) -> bool:
        """Sweep a service. False if it failed; the other services are swept all the same."""
        try:
            await self._sweep(service_sid)
        except StorageError as error:
            logger.debug("the sweep of %s waits for Redis: %s", service_sid, error)
            return False
        return True

    async def _sweep(self, service_sid: str) -> None:
        # An object expires by the clock of its own master, which may be ahead of the index's
        # master: look with the latest clock of all.
        latest = self._redis.now_ms()
        arguments = by_name({"latest": latest, "count": BUCKETS})
        moment, *due = await self._redis.run(DUE, keys.due(service_sid), *arguments)
        buckets = [int(bucket, 16) for bucket in due]
        await asyncio.gather(*(self._sweep_bucket(service_sid, b, moment) for b in buckets))
        await self._index(service_sid, buckets)

    async def _sweep_bucket(self, service_sid: str, bucket: int, moment: bytes) -> None:
        index = keys.expiries(keys.bucket_tag(service_sid, bucket))
        command = ("ZRANGEBYSCORE", index, "-inf", moment, "LIMIT", 0, BATCH)
        webhooks = None if self._webhooks is None else await self._webhooks(service_sid)
        swept: list[bytes] = []
        for _ in range(PASSES):
            members = await self._redis.execute(*command)
            if members == swept:
                # The shard's clock is behind `moment`: the scripts still see these as alive.
                return
            await self._remove(service_sid, members, webhooks)
            swept = members
        self.wake()

    async def _remove(
        self, service_sid: str, members: list[bytes], webhooks: WebhookPolicy | None
    ) -> None:
        """Remove the objects and items that these members of the index name."""
        sids, item_keys = _split(members)
        await asyncio.gather(
            *(self._remove_object(service_sid, sid, webhooks) for sid in sids),
            *(
                self._remove_items(ObjectAddress.of_sid(service_sid, sid), batch, webhooks)
                for sid, batch in item_keys
            ),
        )

    async def _remove_object(
        self, service_sid: str, sid: str, webhooks: WebhookPolicy | None
    ) -> None:
        async with self._object_commits:
            await self._objects.expire(service_sid, sid, webhooks)

    async def _remove_items(
        self, at: ObjectAddress, item_keys: list[str], webhooks: WebhookPolicy | None
    ) -> None:
        async with self._item_commits:
            await self._items.expire(at, item_keys, Author(identity=SYSTEM, webhooks=webhooks))

    async def _index(self, service_sid: str, buckets: list[int]) -> None:
        """Put each bucket back on the index of due buckets, by its earliest expiry."""
        tags = [keys.bucket_tag(service_sid, bucket) for bucket in buckets]
        firsts = await asyncio.gather(
            *(self._redis.execute("ZRANGE", keys.expiries(t), 0, 0, "WITHSCORES") for t in tags)
        )
        await asyncio.gather(
            *(
                self._redis.execute("ZADD", keys.due(service_sid), "LT", first[1], f"{bucket:02x}")
                for bucket, first in zip(buckets, firsts, strict=True)
                if first
            )
        )


def _split(members: Iterable[bytes]) -> tuple[list[str], Iterator[tuple[str, list[str]]]]:
    """The SIDs of objects; and batches of keys of items, each with the SID of its collection."""
    sids: list[str] = []
    by_collection: defaultdict[str, list[str]] = defaultdict(list)
    for member in members:
        sid, separator, key = member.decode().partition("/")
        if separator:
            by_collection[sid].append(key)
        else:
            sids.append(sid)
    batches = (
        (sid, found[start : start + ITEMS_PER_COMMIT])
        for sid, found in by_collection.items()
        for start in range(0, len(found), ITEMS_PER_COMMIT)
    )
    return sids, batches
