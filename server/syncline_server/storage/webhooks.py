"""Webhooks of commits: what a write queues, and the index of buckets that hold webhooks."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from syncline_server.observability.tasks import TaskSet

from . import keys
from .errors import StorageError
from .redis.client import Redis
from .services import Service

__all__ = ["BucketIndex", "WebhookPolicy"]

logger = logging.getLogger("syncline.webhooks")


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookPolicy:
    """What a write adds to its bucket's queue of webhooks.

    Attributes:
        limit: webhooks that may wait in one bucket.
        reports_write: True if the write itself queues a webhook. An expired object that the write
            comes across always queues one.
        endpoint: the endpoint that makes the write; "" for none.
    """

    limit: int
    reports_write: bool
    endpoint: str = ""

    @classmethod
    def of(
        cls, service: Service | None, limit: int, *, from_rest: bool, endpoint: str = ""
    ) -> WebhookPolicy | None:
        """The policy of a write in a service; None if the service has no webhooks.

        Args:
            from_rest: True if the write is made with the account's credentials. It queues no
                webhook while the service's `webhooks_from_rest_enabled` is off.
        """
        if service is None or service.webhook_url is None:
            return None
        reports_write = service.webhooks_from_rest_enabled or not from_rest
        return cls(limit=limit, reports_write=reports_write, endpoint=endpoint)


class BucketIndex:
    """Index of the buckets that may have webhooks; one command adds all buckets of a loop turn.

    On a single Redis the command leaves in the same socket write as the commits. If it is lost, the
    process that delivers webhooks finds the bucket by an inspection.

    Attributes:
        on_write: called with the buckets that were added. It must not block.
    """

    def __init__(self, redis: Redis) -> None:
        self.on_write: Callable[[Collection[str]], None] = lambda buckets: None
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
            await self._redis.ask_twice(keys.WEBHOOKS, lambda: self.write(buckets))
        except StorageError as error:
            logger.debug("webhooks were not recorded: %s", error)

    async def write(self, buckets: Collection[str]) -> None:
        """Add buckets now, each with a new score (see settle.lua). Raises as `Redis.execute`."""
        moment = time.time_ns() // 1000
        words = [word for bucket in buckets for word in (moment, bucket)]
        await self._redis.execute("ZADD", keys.WEBHOOKS, *words)
        self.on_write(buckets)
