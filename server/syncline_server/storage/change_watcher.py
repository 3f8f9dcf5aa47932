"""Change watcher: notices that another process changed a set of records which this process caches.

Each change writes a new version of the set, a short random string, to Redis. Every process polls
the versions of all its sets (`DataSetPoll`), and reads the records of a set again when its version
has changed. Changes that were missed while Redis was away show at the next poll.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable

from syncline_server.observability.tasks import FailureLog

from .data_set_poll import DataSetPoll
from .redis.client import Redis

__all__ = ["STALE_AFTER", "ChangeWatcher", "make_version"]

logger = logging.getLogger("syncline.lookout")

STALE_AFTER = 2.0
"""Seconds after the last poll from which the cached records may be out of date."""

VERSION_BYTES = 8
"""Random bytes of a version."""


def make_version() -> bytes:
    """A new random version."""
    return secrets.token_bytes(VERSION_BYTES)


class ChangeWatcher:
    """Watches one set of records.

    It goes on after every failure: a watcher that stopped would never notice a revoked right
    (promise 6).

    Attributes:
        key: of the version in Redis.
        lock: locked while the records are read again.
    """

    def __init__(
        self,
        redis: Redis,
        version_key: str,
        read_again: Callable[[], Awaitable[None]],
        poll: DataSetPoll | None = None,
    ) -> None:
        """
        Args:
            version_key: key of the version in Redis; one of the data set's own keys.
            read_again: reads the cached records again.
            poll: polls the version while it runs; None for a poll that runs from `start` to `stop`.
        """
        self.key = version_key
        self.lock = asyncio.Lock()
        self._redis = redis
        self._poll = poll or DataSetPoll(redis)
        self._owns_poll = poll is None
        self._failures = FailureLog(f"the watcher of {version_key}", logger)
        self._read_again = read_again
        # None is the version of a set that was never changed, so it cannot mean "not polled yet".
        self._version: bytes | None | object = _NONE_SEEN
        self._looked_at = float("-inf")

    def start(self) -> None:
        """Begin to watch."""
        self._poll.add(self)
        if self._owns_poll:
            self._poll.start()

    async def stop(self) -> None:
        """Stop watching."""
        self._poll.remove(self)
        if self._owns_poll:
            await self._poll.stop()

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
            await self._compare(await self._redis.execute("GET", self.key), now)

    async def accept(self, version: bytes | None, asked_at: float) -> None:
        """Receive the version from a poll, and read the records again if it has changed."""
        try:
            async with self.lock:
                # While this waited for the lock, `refresh` may have seen a newer version.
                if asked_at > self._looked_at:
                    await self._compare(version, asked_at)
        except Exception as error:
            self._failures.record(error)
        else:
            self._failures.record(None)

    async def _compare(self, version: bytes | None, asked_at: float) -> None:
        if version != self._version:
            await self._read_again()
            # Only after success: a failed read must be tried again at the next poll.
            self._version = version
        self._looked_at = asked_at


_NONE_SEEN = object()
