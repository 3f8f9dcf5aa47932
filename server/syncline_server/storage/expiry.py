"""The sweeper: removes what is past its expiry, so that subscribers hear of it.

Readers do not wait for it; a document past its expiry is absent to them at once. Sweeping at the
same time from several processes is safe, since the removal is one atomic script.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from syncline_protocol.errors import Refusal
from syncline_protocol.sids import BUCKETS

from . import keys
from .documents import Documents
from .filled_buckets import FilledBuckets
from .redis.client import Redis
from .redis.connection import ReplyError
from .scripts import DUE

__all__ = ["Sweeper"]

logger = logging.getLogger("syncline.expiry")

BATCH = 256
"""Documents of one bucket that are removed at once."""

INSPECTION_INTERVAL = 60.0
"""Seconds between looks at every bucket, for what a crash or a failover kept off the index; after
an error that is made up for at once."""


class Sweeper:
    """Sweeps the services it is told of, until it is stopped."""

    def __init__(
        self,
        redis: Redis,
        documents: Documents,
        interval: float,
        webhooks: Callable[[str], Awaitable[str]] | None = None,
    ) -> None:
        """
        Args:
            interval: seconds between sweeps.
            webhooks: what a removal in a service does to the queue of webhooks; None for nothing.
        """
        self._redis = redis
        self._documents = documents
        self._filled = FilledBuckets(redis)
        self._webhooks = webhooks
        self._interval = interval
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End; what is not swept yet is swept after the next start."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        clock = asyncio.get_running_loop().time
        inspected = -INSPECTION_INTERVAL
        while True:
            try:
                if clock() - inspected >= INSPECTION_INTERVAL:
                    for service_sid in await self._services():
                        await self._index(service_sid, await self._filled.inspect(service_sid))
                    inspected = clock()
                # What one service's sweep took off the index may not have come back if it failed.
                outcomes = [await self._try_sweep(sid) for sid in await self._services()]
                if not all(outcomes):
                    inspected = -INSPECTION_INTERVAL
            except (Refusal, ReplyError) as error:
                logger.debug("the sweep waits for Redis: %s", error)
            await asyncio.sleep(self._interval)

    async def _services(self) -> list[str]:
        return [sid.decode() for sid in await self._redis.execute("HKEYS", keys.SERVICES)]

    async def _try_sweep(self, service_sid: str) -> bool:
        """False if it failed, which must not keep the other services from theirs."""
        try:
            await self._sweep(service_sid)
        except (Refusal, ReplyError) as error:
            logger.debug("the sweep of %s waits for Redis: %s", service_sid, error)
            return False
        return True

    async def _sweep(self, service_sid: str) -> None:
        # By the latest clock of all masters: a document expires by that of its own.
        latest = self._redis.now_ms()
        moment, *due = await self._redis.run(DUE, keys.due(service_sid), latest, BUCKETS)
        buckets = [int(bucket, 16) for bucket in due]
        await asyncio.gather(*(self._sweep_bucket(service_sid, b, moment) for b in buckets))
        await self._index(service_sid, buckets)

    async def _sweep_bucket(self, service_sid: str, bucket: int, moment: bytes) -> None:
        index = keys.expiries(keys.bucket_tag(service_sid, bucket))
        command = ("ZRANGEBYSCORE", index, "-inf", moment, "LIMIT", 0, BATCH)
        webhooks = "" if self._webhooks is None else await self._webhooks(service_sid)
        swept: list[bytes] = []
        # Until nothing is left, or the same is: then this shard's clock is behind.
        while (sids := await self._redis.execute(*command)) != swept:
            await asyncio.gather(
                *(self._documents.expire(service_sid, sid.decode(), webhooks) for sid in sids)
            )
            swept = sids

    async def _index(self, service_sid: str, buckets: list[int]) -> None:
        """Put each bucket on the index of due times, by its earliest expiry."""
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
