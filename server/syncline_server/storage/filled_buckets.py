"""The index of filled buckets: those of a service that may hold objects of any type.

A list reads no others. The index is one key of the service with up to 256 fields. It may name empty
buckets, but no bucket with objects is missing: a bucket is added before the first object in it is
created, or in the same step. A bucket can still be missing if its objects are older than the index,
or if a failover of a Cluster lost the entry; the sweeper's inspections add it then.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from syncline_protocol.objects import TYPES
from syncline_protocol.sids import BUCKETS

from . import keys
from .errors import StorageError, Unanswered, Unavailable
from .redis.client import Redis
from .scripts import PRUNE, by_name

__all__ = ["FilledBuckets"]

_COMPLETE = b"all"
"""Field of the index: every bucket that was filled before the index existed has an entry."""

RECORDED_LIMIT = 65_536
"""Entries that a process remembers; beyond that it forgets all and adds them again."""


class FilledBuckets:
    """The index of each service. Methods raise as `Redis.execute`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._recorded: set[tuple[str, str]] = set()

    async def mark_complete(self, service_sid: str) -> None:
        """Mark the index of a new service as complete: it has no older objects.

        If that fails, the first list or inspection inspects all buckets.
        """
        with suppress(StorageError):
            await self._redis.execute("HSET", keys.filled(service_sid), _COMPLETE, 1)

    async def add_bucket(self, service_sid: str, bucket: str) -> None:
        """Note a bucket before an object is created in it.

        Only needed on a Cluster, where no script can write the index. Raises `Refusal`; then
        nothing may be created.
        """
        if (service_sid, bucket) in self._recorded:
            return
        index = keys.filled(service_sid)
        try:
            await self._redis.ask_twice(
                index, lambda: self._redis.execute("HSET", index, bucket, 1)
            )
        except Unanswered:
            raise Unavailable(
                "The store became unavailable; nothing was changed. Try again."
            ) from None
        if len(self._recorded) >= RECORDED_LIMIT:
            self._recorded.clear()
        self._recorded.add((service_sid, bucket))

    async def of(self, service_sid: str) -> list[int]:
        """The buckets that may hold objects, in ascending order."""
        recorded = set(await self._redis.execute("HKEYS", keys.filled(service_sid)))
        if _COMPLETE not in recorded:
            return await self.inspect(service_sid)
        recorded.discard(_COMPLETE)
        return sorted(int(bucket, 16) for bucket in recorded)

    async def inspect(self, service_sid: str) -> list[int]:
        """Check every bucket without an entry, and add it if it contains objects.

        Returns:
            all buckets with an entry, in ascending order.
        """
        index = keys.filled(service_sid)
        recorded = set(await self._redis.execute("HKEYS", index))
        others = [bucket for bucket in range(BUCKETS) if _field(bucket) not in recorded]
        counts = await asyncio.gather(*(self._count(service_sid, bucket) for bucket in others))
        found = [bucket for bucket, count in zip(others, counts, strict=True) if count]
        if found or _COMPLETE not in recorded:
            fields = [word for bucket in found for word in (_field(bucket), 1)]
            await self._redis.execute("HSET", index, *fields, _COMPLETE, 1)
        return [
            bucket for bucket in range(BUCKETS) if _field(bucket) in recorded or bucket in found
        ]

    async def _count(self, service_sid: str, bucket: int) -> int:
        """The number of types of which the bucket holds objects."""
        tag = keys.bucket_tag(service_sid, bucket)
        first, *others = (keys.listing(tag, each) for each in TYPES)
        count: int = await self._redis.execute("EXISTS", first, *map(self._redis.prefixed, others))
        return count

    async def prune(self, service_sid: str, empty: list[int]) -> None:
        """Remove buckets from the index that a list found empty.

        Not on a Cluster: no script there can check in the same step that they are still empty. If
        it fails, the next list reads them again.
        """
        if empty and self._redis.engine.is_whole:
            tag = keys.service_tag(service_sid)
            plurals = " ".join(each.plural for each in TYPES)
            buckets = b" ".join(map(_field, empty))
            with suppress(StorageError):
                arguments = by_name({"plurals": plurals, "buckets": buckets})
                await self._redis.run(PRUNE, tag, *arguments)


def _field(bucket: int) -> bytes:
    return b"%02x" % bucket
