"""What a commit does to the queue of webhooks, in the same step, and how that is found."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable

from syncline_protocol.errors import Refusal

from . import keys
from .redis.client import Redis
from .redis.connection import ReplyError
from .redis.shard import Unanswered
from .services import Service

__all__ = ["Notes", "hook"]

logger = logging.getLogger("syncline.webhooks")


def hook(service: Service | None, limit: int, *, from_rest: bool, endpoint: str = "") -> str:
    """For document.lua; "" where the service has no webhooks.

    What expires is told of whoever comes across it; a write itself not, if it is made with the
    account's credentials and `webhooks_from_rest_enabled` is off.

    Args:
        limit: webhooks that may wait in one bucket.
        from_rest: the write is made with the account's credentials.
        endpoint: the one that makes it; "" for none.
    """
    if service is None or service.webhook_url is None:
        return ""
    is_told = service.webhooks_from_rest_enabled or not from_rest
    return f"{limit} {is_told:d} {endpoint}"


class Notes:
    """Says which buckets may hold webhooks: in one command for all commits of a loop turn.

    It leaves in the same write as these, where one Redis has all. Should it not arrive, whoever
    delivers finds out by an inspection.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._buckets: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def note(self, bucket: str) -> None:
        """Note one, as `IS…:3f`; before the commit is sent."""
        if not self._buckets:
            task = asyncio.create_task(self._flush())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._buckets.add(bucket)

    async def _flush(self) -> None:
        buckets, self._buckets = self._buckets, set()
        try:
            try:
                await self.write(buckets)
            except Unanswered:
                await self._redis.reconnected(keys.WEBHOOKS)
                await self.write(buckets)
        except (Refusal, ReplyError) as error:
            logger.debug("webhooks were not noted: %s", error)

    async def write(self, buckets: Iterable[str]) -> None:
        """Note some at once; each has another score then. Raises as `Redis.execute`."""
        moment = time.time_ns() // 1000
        words = [word for bucket in buckets for word in (moment, bucket)]
        await self._redis.execute("ZADD", keys.WEBHOOKS, *words)
