"""The reclaimer: frees what removed objects left, in small portions with pauses between them.

The process with the lease of the periodic work looks for garbage; it also takes a lease of its own
for freeing, which takes long. What is left to free is recorded in Redis (`garbage`): if the process
dies, another one goes on.
"""

from __future__ import annotations

import asyncio
import logging
import secrets

from syncline_server.observability.metrics import Meters
from syncline_server.observability.tasks import PeriodicTask

from . import keys
from .garbage import Garbage, tag_of_entry
from .periodic_lease import PeriodicLease
from .redis.client import Redis
from .scripts import LEASE, RECLAIM, by_name

__all__ = ["Reclaimer"]

logger = logging.getLogger("syncline.reclaimer")

CHECK_INTERVAL = 1.0
"""Seconds between checks for garbage."""

PORTION = 250
"""Entries that one script frees, about: other commands wait for it, at about 1 µs an entry."""

SHARE = 0.05
"""Part of Redis' time that freeing takes, at most, on each shard."""

PAUSE = 0.01
"""Seconds between two portions, at least: each may make Redis sync its file once more."""

BUCKETS_AT_ONCE = 100
"""Buckets that are read from the index at once, at most."""

LEASE_MS = 3000
"""Milliseconds for which a lease lasts, unless its process renews it."""

RENEWAL_INTERVAL = 1.0
"""Seconds between renewals of the lease."""

INSPECTION_INTERVAL = 60.0
"""Seconds between inspections of all buckets of a Cluster."""

LOGGED_ENTRIES = 100_000
"""Entries of one bucket whose freeing is logged; less is done in a moment."""


class Interrupted(Exception):
    """Another process has the lease, or nothing may be written now."""


class Reclaimer(PeriodicTask):
    """Frees the garbage of all services, until it is stopped."""

    def __init__(
        self, redis: Redis, meters: Meters | None = None, lease: PeriodicLease | None = None
    ) -> None:
        """`lease`: this process looks for garbage while it has it; None to look always."""
        super().__init__(
            self._reclaim_all,
            CHECK_INTERVAL,
            name="the freeing of removed objects",
            logger=logger,
        )
        self._redis = redis
        self._garbage = Garbage(redis)
        self._meters = Meters() if meters is None else meters
        self._holder = secrets.token_hex(8)
        self._renewed_at = 0.0  # loop time
        self._inspected_at = float("-inf")  # loop time
        self._periodic_lease = lease
        if lease is not None:
            lease.on_gain(self.wake)

    async def _reclaim_all(self) -> None:
        if self._periodic_lease is not None and not self._periodic_lease.is_held:
            return
        await self._inspect()
        entries = await self._redis.execute("SRANDMEMBER", keys.GARBAGE, BUCKETS_AT_ONCE)
        if not entries or not await self._lease():
            return
        try:
            for entry in entries:
                await self._reclaim(entry)
            self.wake()
        except Interrupted:
            return
        finally:
            await self._keep_lease(0)

    async def _inspect(self) -> None:
        """On a Cluster, find the buckets that a crash or a failover kept off the index."""
        now = asyncio.get_running_loop().time()
        if not self._redis.engine.is_whole and now - self._inspected_at >= INSPECTION_INTERVAL:
            for sid in await self._redis.execute("HKEYS", keys.SERVICES):
                await self._garbage.inspect(sid.decode())
            self._inspected_at = now

    async def _lease(self) -> bool:
        """True if this process has the lease now.

        Two processes at once would be safe, but take twice as much of Redis' time.
        """
        self._renewed_at = asyncio.get_running_loop().time()
        lease = ("SET", keys.RECLAIMER, self._holder, "NX", "PX", LEASE_MS)
        return await self._redis.execute(*lease) is not None

    async def _keep_lease(self, ms: int = LEASE_MS) -> bool:
        """Renew the lease, or give it back (0). False if another process may have it."""
        self._renewed_at = asyncio.get_running_loop().time()
        arguments = by_name({"holder": self._holder, "ms": ms})
        return bool(await self._redis.run(LEASE, keys.RECLAIMER, *arguments))

    async def _reclaim(self, entry: bytes) -> None:
        """Free the garbage of one bucket."""
        clock = asyncio.get_running_loop().time
        began, total, tag = clock(), 0, tag_of_entry(entry)
        whole = 1 if self._redis.engine.is_whole else None
        name = cursor = None
        while True:
            arguments = {"count": PORTION, "whole": whole, "name": name, "cursor": cursor}
            freed, micros, *rest = await self._redis.run(RECLAIM, tag, *by_name(arguments))
            if not rest:
                break
            name, cursor = rest
            total += freed
            self._meters.reclaimed += freed
            await asyncio.sleep(max(PAUSE, micros / 1e6 * (1 - SHARE) / SHARE))
            if clock() - self._renewed_at > RENEWAL_INTERVAL and not await self._keep_lease():
                raise Interrupted
            # Redis writes each portion to its file, and so needs space on the disk to free memory.
            if not self._redis.takes_writes:
                raise Interrupted
        if whole is None:
            await self._forget(entry, tag)
        level = logging.INFO if total >= LOGGED_ENTRIES else logging.DEBUG
        took = clock() - began
        logger.log(level, "freed %d entries of removed objects in %.1f s: %s", total, took, tag)

    async def _forget(self, entry: bytes, tag: str) -> None:
        """Take a bucket of a Cluster off the index."""
        # In this order: an object that is removed in between adds the bucket again, before or after
        # the first step; or the third step finds its garbage.
        await self._redis.execute("SREM", keys.GARBAGE, entry)
        if await self._redis.execute("EXISTS", keys.garbage(tag)):
            await self._garbage.add_bucket(tag)
