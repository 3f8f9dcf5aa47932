"""Dispatcher: finds services with webhooks to deliver, and runs a consumer for each.

A writer adds the bucket to an index before it queues a webhook, and then tries to get the lease of
the service, so that the work is spread as the writes are. The process that gets it polls the index
and delivers the service's webhooks, until none is left or it loses the lease.

The process with the lease of the periodic work polls the index always. It takes the services that
no process has: those whose writer or consumer died or stopped, or gave up the lease in the moment
of a write.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping
from contextlib import suppress

from syncline_protocol.sids import BUCKETS
from syncline_server.observability.tasks import PeriodicTask
from syncline_server.storage import keys
from syncline_server.storage.errors import StorageError
from syncline_server.storage.periodic_lease import PeriodicLease
from syncline_server.storage.redis.client import Redis

from .consumer import Consumer
from .context import DeliveryContext

__all__ = ["Dispatcher"]

logger = logging.getLogger("syncline.webhooks")

POLL_INTERVAL = 0.2
"""Seconds between reads of the index."""

RENEWAL_INTERVAL = 1.0
"""Seconds between renewals of a lease, and between attempts to acquire one."""

LEASE_MARGIN = 5.0
"""Seconds by which a renewed lease outlasts an attempt that begins at once."""

STOP_TIMEOUT = 3.0
"""Seconds that a stopping process waits for running attempts."""

INSPECTION_INTERVAL = 60.0
"""Seconds between checks of every queue: a crash or a failover may have lost entries of the
index."""


class Dispatcher:
    """The consumers of one process."""

    def __init__(
        self, redis: Redis, context: DeliveryContext, lease: PeriodicLease | None = None
    ) -> None:
        """`lease`: this process looks for services that no process has while it has it; None to
        look always."""
        self._redis = redis
        self._periodic_lease = lease
        self._context = context
        self._queue = context.queue
        self._lease = context.settings.webhook_timeout + LEASE_MARGIN
        self._consumers: dict[str, Consumer] = {}
        # Loop time at which the lease of each service is renewed, or requested again.
        self._next_renewal: dict[str, float] = {}
        # Services for which this process queued webhooks since it last requested their lease.
        self._written: set[str] = set()
        # True if this process has just begun to look for services that no process has.
        self._has_begun = False
        self._inspected = float("-inf")
        self._task = PeriodicTask(
            self._deliver_due, POLL_INTERVAL, name="the webhook dispatcher", logger=logger
        )
        if lease is not None:
            lease.on_gain(self._begin)

    def note_writes(self, buckets: Collection[str]) -> None:
        """Note that this process has added buckets (`IS…:3f`) to the index."""
        self._written.update(bucket.partition(":")[0] for bucket in buckets)

    def _begin(self) -> None:
        """Look for services that no process has: the one that did may have died."""
        self._has_begun = True
        self._task.wake()

    def start(self) -> None:
        """Begin to deliver."""
        self._task.start()

    async def stop(self) -> None:
        """Finish the running attempts, and give the leases back to other processes."""
        await self._task.stop()
        leaving = [self._release_lease(sid, STOP_TIMEOUT) for sid in list(self._consumers)]
        await asyncio.gather(*leaving)
        await self._context.close()

    async def _deliver_due(self) -> None:
        clock = asyncio.get_running_loop().time
        if clock() - self._inspected >= INSPECTION_INTERVAL:
            await self._inspect()
            self._inspected = clock()
        if self._consumers or self._watches_all or any(map(self._is_due, self._written)):
            await self._refresh()

    @property
    def _watches_all(self) -> bool:
        """True if this process is to find services that no process has."""
        return self._periodic_lease is None or self._periodic_lease.is_held

    def _is_due(self, sid: str) -> bool:
        """True if the lease of the service is to be renewed or requested now."""
        return asyncio.get_running_loop().time() >= self._next_renewal.get(sid, 0.0)

    async def _refresh(self) -> None:
        # Before the index is read: a service that is written to meanwhile stays noted.
        written = {sid for sid in self._written if self._is_due(sid)}
        self._written -= written
        has_begun, self._has_begun = self._has_begun, False
        buckets = await self._queue.buckets()
        wanted = {*self._consumers, *(written & buckets.keys())}
        if self._watches_all:
            if self._periodic_lease is not None and not has_begun:
                self._leave_to_writers(buckets.keys() - wanted)
            wanted |= buckets.keys()
        await asyncio.gather(*(self._keep_lease(sid) for sid in wanted))
        for sid, consumer in list(self._consumers.items()):
            consumer.refresh(buckets.get(sid, {}))
            if consumer.is_idle:
                await self._release_lease(sid, timeout=0)
        self._context.meters.webhooks_waiting = sum(c.waiting for c in self._consumers.values())
        self._forget_idle(buckets)

    def _leave_to_writers(self, services: Collection[str]) -> None:
        """Request the leases of services that were not in the index before a moment later."""
        later = asyncio.get_running_loop().time() + RENEWAL_INTERVAL
        for sid in services:
            self._next_renewal.setdefault(sid, later)

    async def _keep_lease(self, sid: str) -> None:
        """Acquire or renew the lease of a service."""
        # Taken before the request: Redis counts the lease from a later moment, so it cannot expire
        # there before `lease_ends_at`.
        asked = asyncio.get_running_loop().time()
        if not self._is_due(sid):
            return
        self._next_renewal[sid] = asked + RENEWAL_INTERVAL
        consumer = self._consumers.get(sid)
        lease_ms = int(self._lease * 1000)
        if consumer is None:
            if await self._queue.acquire(sid, lease_ms):
                self._consumers[sid] = Consumer(sid, self._context, asked + self._lease)
        elif await self._queue.renew(sid, lease_ms):
            consumer.delivery.lease_ends_at = asked + self._lease
        else:
            logger.warning("the lease of the webhooks of %s was lost", sid)
            self._consumers.pop(sid).stop()

    async def _release_lease(self, sid: str, timeout: float) -> None:
        consumer = self._consumers.pop(sid)
        await consumer.finish(timeout)
        with suppress(StorageError):
            await self._queue.renew(sid, 0)

    def _forget_idle(self, buckets: Mapping[str, object]) -> None:
        for sid in self._next_renewal.keys() - buckets.keys() - self._consumers.keys():
            del self._next_renewal[sid]

    async def _inspect(self) -> None:
        """Add buckets that have a queue to the index, and count parked webhooks."""
        services = [s.sid for s in await self._context.services.all() if s.webhook_url is not None]
        self._context.meters.webhooks_parked = sum(
            await asyncio.gather(*(self._context.dead_letters.count(sid) for sid in services))
        )
        interval_ms = int(INSPECTION_INTERVAL * 900)
        command = ("SET", keys.WEBHOOK_INSPECTION, "", "NX", "PX", interval_ms)
        if await self._redis.execute(*command) is None:
            return  # another process has checked the queues in this interval
        for sid in services:
            await asyncio.gather(*(self._inspect_bucket(sid, f"{b:02x}") for b in range(BUCKETS)))

    async def _inspect_bucket(self, sid: str, bucket: str) -> None:
        if await self._queue.exists(sid, bucket):
            await self._queue.add_bucket(sid, bucket)
