"""Which buckets of a service may hold documents, so that a list looks at no others.

An index of 256 fields in one key of the service. It may name buckets that are empty, but none that
holds something is missing: a bucket is noted before, or in the same step as, the first document
that is created in it. What was stored before there was an index, and what a failover of a Cluster
takes off it, the inspections of the sweeper put back.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from syncline_protocol.errors import Refusal
from syncline_protocol.sids import BUCKETS

from . import keys
from .redis.client import Redis
from .redis.connection import ReplyError
from .redis.shard import Unanswered
from .scripts import PRUNE

__all__ = ["FilledBuckets"]

_COMPLETE = b"all"
"""The field that says that everything stored before is noted."""

NOTED_LIMIT = 65_536
"""Buckets that a process remembers to have noted; then it forgets them all and notes them again."""


class FilledBuckets:
    """Those of every service. Raises as `Redis.execute`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._noted: set[tuple[str, str]] = set()

    async def begin(self, service_sid: str) -> None:
        """Note that nothing was stored before; for a service that was made a moment ago.

        Where that fails, the first list or inspection finds out.
        """
        with suppress(Refusal, ReplyError):
            await self._redis.execute("HSET", keys.filled(service_sid), _COMPLETE, 1)

    async def note(self, service_sid: str, bucket: str) -> None:
        """Before something is created in a bucket; needed on a Cluster alone, where document.lua
        cannot do it. Raises `Refusal`: nothing was created then."""
        if (service_sid, bucket) in self._noted:
            return
        index = keys.filled(service_sid)
        try:
            try:
                await self._redis.execute("HSET", index, bucket, 1)
            except Unanswered:
                await self._redis.reconnected(index)
                await self._redis.execute("HSET", index, bucket, 1)
        except Unanswered as unanswered:
            message = "The store went away; nothing was changed. Try again."
            raise Refusal(unanswered.code, message) from None
        if len(self._noted) >= NOTED_LIMIT:
            self._noted.clear()
        self._noted.add((service_sid, bucket))

    async def of(self, service_sid: str) -> list[int]:
        """In their order."""
        noted = set(await self._redis.execute("HKEYS", keys.filled(service_sid)))
        if _COMPLETE not in noted:
            return await self.inspect(service_sid)
        noted.discard(_COMPLETE)
        return sorted(int(bucket, 16) for bucket in noted)

    async def inspect(self, service_sid: str) -> list[int]:
        """Look at every bucket that is not noted, and note it if it holds something.

        Returns:
            all that are noted then.
        """
        index = keys.filled(service_sid)
        noted = set(await self._redis.execute("HKEYS", index))
        others = [bucket for bucket in range(BUCKETS) if _field(bucket) not in noted]
        counts = await asyncio.gather(
            *(
                self._redis.execute("ZCARD", keys.listing(keys.bucket_tag(service_sid, bucket)))
                for bucket in others
            )
        )
        found = [bucket for bucket, count in zip(others, counts, strict=True) if count]
        if found or _COMPLETE not in noted:
            fields = [word for bucket in found for word in (_field(bucket), 1)]
            await self._redis.execute("HSET", index, *fields, _COMPLETE, 1)
        return [bucket for bucket in range(BUCKETS) if _field(bucket) in noted or bucket in found]

    async def prune(self, service_sid: str, empty: list[int]) -> None:
        """Take buckets off that a list found empty; not on a Cluster, where no script could see
        that they still are. Where that fails, they cost the next list a command each."""
        if empty and self._redis.engine.is_whole:
            tag = keys.service_tag(service_sid)
            with suppress(Refusal, ReplyError):
                await self._redis.run(PRUNE, tag, *(_field(bucket) for bucket in empty))


def _field(bucket: int) -> bytes:
    return b"%02x" % bucket
