"""Change watcher: notices that another process changed a set of records which this process caches.

Each change writes a new version of the set, a short random string, to Redis. Every process polls
the version and reads the records again when it has changed. Changes that were missed while Redis
was away show at the next poll.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable

from syncline_server.observability.tasks import PeriodicTask

from .redis.client import Redis

__all__ = ["CHECK_INTERVAL", "STALE_AFTER", "ChangeWatcher", "make_version"]

logger = logging.getLogger("syncline.lookout")

CHECK_INTERVAL = 0.5
"""Seconds between polls of the version."""

STALE_AFTER = 2.0
"""Seconds after the last poll from which the cached records may be out of date."""

VERSION_BYTES = 8
"""Random bytes of a version."""


def make_version() -> bytes:
    """A new random version."""
    return secrets.token_bytes(VERSION_BYTES)


class ChangeWatcher(PeriodicTask):
    """Watches one set of records.

    It goes on after every failure: a watcher that stopped would never notice a revoked right
    (promise 6).

    Attributes:
        lock: locked while the version is polled and the records are read again.
    """

    def __init__(
        self, redis: Redis, version_key: str, read_again: Callable[[], Awaitable[None]]
    ) -> None:
        """
        Args:
            version_key: key of the version in Redis.
            read_again: reads the cached records again.
        """
        super().__init__(
            self.refresh, CHECK_INTERVAL, name=f"the watcher of {version_key}", logger=logger
        )
        self.lock = asyncio.Lock()
        self._redis = redis
        self._key = version_key
        self._read_again = read_again
        # None is the version of a set that was never changed, so it cannot mean "not polled yet".
        self._version: bytes | None | object = _NONE_SEEN
        self._looked_at = float("-inf")

    @property
    def is_current(self) -> bool:
        """True if the version was polled within the last `STALE_AFTER` seconds."""
        return time.monotonic() - self._looked_at <= STALE_AFTER

    async def refresh(self, *, unless_current: bool = False) -> None:
        """Poll the version, and read the records again if it has changed.

        Args:
            unless_current: do nothing if another task has just done so.

        Raises:
            Refusal: `UNAVAILABLE` while Redis is away.
        """
        async with self.lock:
            # A task that waited for the lock may find that the one before it did the work.
            if unless_current and self.is_current:
                return
            # Taken before the reply: from this moment on changes may be missing.
            now = time.monotonic()
            # The version first, the records second: a change in between is in the records, and its
            # version shows at the next poll. The other way round it would be missed.
            version = await self._redis.execute("GET", self._key)
            if version != self._version:
                await self._read_again()
                # Only after success: a failed read must be tried again at the next poll.
                self._version = version
            self._looked_at = now


_NONE_SEEN = object()
