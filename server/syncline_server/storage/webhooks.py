"""Webhooks of commits: what document.lua queues, and the index of buckets that hold webhooks."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable

from syncline_server.observability.tasks import TaskSet

from . import keys
from .errors import StorageError, Unanswered
from .redis.client import Redis
from .services import Service

__all__ = ["BucketIndex", "hook"]

logger = logging.getLogger("syncline.webhooks")


def hook(service: Service | None, limit: int, *, from_rest: bool, endpoint: str = "") -> str:
    """The webhook argument of document.lua; "" if the service has no webhooks.

    A write with the account's credentials queues no webhook while `webhooks_from_rest_enabled` is
    off. An expiry that such a write comes across always queues one.

    Args:
        limit: webhooks that may wait in one bucket.
        from_rest: True if the write is made with the account's credentials.
        endpoint: the endpoint that makes the write; "" for none.
    """
    if service is None or service.webhook_url is None:
        return ""
    is_queued = service.webhooks_from_rest_enabled or not from_rest
    return f"{limit} {is_queued:d} {endpoint}"


class BucketIndex:
    """Index of the buckets that may have webhooks; one command adds all buckets of a loop turn.

    On a single Redis the command leaves in the same socket write as the commits. If it is lost, the
    process that delivers webhooks finds the bucket by an inspection.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._buckets: set[str] = set()
        self._tasks = TaskSet()

    def add(self, bucket: str) -> None:
        """Add a bucket (`IS…:3f`), before the commit is sent."""
        if not self._buckets:
            self._tasks.spawn(self._flush())
        self._buckets.add(bucket)

    async def _flush(self) -> None:
        buckets, self._buckets = self._buckets, set()
        try:
            try:
                await self.write(buckets)
            except Unanswered:
                await self._redis.reconnected(keys.WEBHOOKS)
                await self.write(buckets)
        except StorageError as error:
            logger.debug("webhooks were not recorded: %s", error)

    async def write(self, buckets: Iterable[str]) -> None:
        """Add buckets now, each with a new score (see settle.lua). Raises as `Redis.execute`."""
        moment = time.time_ns() // 1000
        words = [word for bucket in buckets for word in (moment, bucket)]
        await self._redis.execute("ZADD", keys.WEBHOOKS, *words)
