"""Garbage: data of removed objects that is not freed yet, and the index of buckets that have some.

The scripts leave large keys as garbage (scripts/lib/garbage.lua), and write the index in the same
step, except on a Cluster, where no script reaches it. There a bucket is added after the removal;
an inspection finds what a crash kept off the index.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Iterable

from syncline_protocol.sids import BUCKETS
from syncline_server.observability.tasks import TaskSet

from . import keys
from .errors import StorageError
from .redis.client import Redis
from .scripts import DISCARD, by_name

__all__ = ["Garbage", "tag_of_entry"]

logger = logging.getLogger("syncline.reclaimer")


class Garbage:
    """The garbage of all services. Methods that are awaited raise as `Redis.execute`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._tasks = TaskSet()

    def note_removal(self, tag: str) -> None:
        """Add the bucket of an object that was removed, in the background.

        Only needed on a Cluster. If it fails, an inspection finds the bucket.
        """
        if not self._redis.engine.is_whole:
            self._tasks.spawn(self._note(tag))

    async def _note(self, tag: str) -> None:
        try:
            if await self._redis.execute("EXISTS", keys.garbage(tag)):
                await self.add_bucket(tag)
        except StorageError as error:
            logger.debug("garbage was not recorded: %s", error)

    async def add_bucket(self, tag: str) -> None:
        """Add a bucket, or a service as a whole, to the index."""
        await self._redis.execute("SADD", keys.GARBAGE, tag[1:-1])

    async def discard(self, tag: str, parts: Iterable[str]) -> None:
        """Take away keys that are no longer used.

        Args:
            tag: with which all of them begin.
            parts: what follows it and a colon in each.
        """
        operations = keys.ALL_SERVICES if self._redis.engine.is_whole else tag
        arguments = {
            "parts": " ".join(parts),
            "mark": secrets.token_hex(8),
            "operations": self._redis.prefixed(operations),
        }
        has_garbage = await self._redis.run(DISCARD, tag, *by_name(arguments))
        if has_garbage and not self._redis.engine.is_whole:
            await self.add_bucket(tag)

    async def inspect(self, service_sid: str) -> None:
        """Add every bucket of a service that has garbage to the index; only on a Cluster."""
        tags = [keys.bucket_tag(service_sid, bucket) for bucket in range(BUCKETS)]
        found = await asyncio.gather(
            *(self._redis.execute("EXISTS", keys.garbage(tag)) for tag in tags)
        )
        for tag, has_garbage in zip(tags, found, strict=True):
            if has_garbage:
                await self.add_bucket(tag)


def tag_of_entry(entry: bytes) -> str:
    """The hash tag that an entry of the index stands for."""
    return f"{{{entry.decode()}}}"
