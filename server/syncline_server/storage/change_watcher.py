"""How a process notices what another one changed in a set of records that all of them keep.

Each change gives the set another version, a short random string in Redis. Every process looks at it
twice a second, and reads the records again when it is another one: whatever was missed while Redis
was away shows at the next look.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from syncline_protocol.errors import Refusal

from .redis.client import Redis
from .redis.connection import ReplyError

__all__ = ["LOOK_INTERVAL", "STALE_AFTER", "ChangeWatcher", "make_version"]

logger = logging.getLogger("syncline.lookout")

LOOK_INTERVAL = 0.5
"""Seconds between looks for what other processes changed."""

STALE_AFTER = 2.0
"""Seconds after which what is kept may not be what there is."""

VERSION_BYTES = 8
"""Random bytes that name a state of a set."""


def make_version() -> bytes:
    """A version that no other change gives."""
    return secrets.token_bytes(VERSION_BYTES)


class ChangeWatcher:
    """Looks at one set.

    Attributes:
        lock: held while the records are read again.
    """

    def __init__(
        self, redis: Redis, version_key: str, read_again: Callable[[], Awaitable[None]]
    ) -> None:
        """`read_again`: brings what is kept to the newest state."""
        self.lock = asyncio.Lock()
        self._redis = redis
        self._key = version_key
        self._read_again = read_again
        # None is the version of a set in which nothing was ever changed.
        self._version: bytes | None | object = _NONE_SEEN
        self._looked_at = float("-inf")
        self._task: asyncio.Task[None] | None = None

    @property
    def is_current(self) -> bool:
        """True while what is kept was looked after a moment ago."""
        return time.monotonic() - self._looked_at <= STALE_AFTER

    def start(self) -> None:
        """Look for changes from now on."""
        self._task = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def look(self, *, unless_current: bool = False) -> None:
        """Take note of what has changed; `unless_current` leaves it out where that was just done.

        Raises:
            Refusal: `UNAVAILABLE` while Redis is away.
        """
        async with self.lock:
            if unless_current and self.is_current:
                return
            now = time.monotonic()
            version = await self._redis.execute("GET", self._key)
            if version != self._version:
                await self._read_again()
                self._version = version
            self._looked_at = now

    async def _watch(self) -> None:
        while True:
            try:
                await self.look()
            except (Refusal, ReplyError) as error:
                logger.debug("%s cannot be looked at: %s", self._key, error)
            except Exception:
                # Who stopped to look would never hear of a right that was taken away.
                logger.exception("%s could not be followed", self._key)
            await asyncio.sleep(LOOK_INTERVAL)


_NONE_SEEN = object()
