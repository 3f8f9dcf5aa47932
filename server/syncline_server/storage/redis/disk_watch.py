"""Disk watch of the embedded Redis: refuses writes before the disk is full, while reads go on.

Redis itself reacts to a full disk in one of two ways: if it syncs each commit, it exits; else it
refuses writes. So writes are refused here while there is still room for what Redis writes by itself
(the removal of expired keys).
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Sequence

from syncline_server.config.settings import Settings
from syncline_server.observability.readiness import Readiness
from syncline_server.observability.tasks import PeriodicTask
from syncline_server.storage.errors import StorageError

from .client import Redis
from .embedded import free_space

__all__ = ["DiskWatch"]

logger = logging.getLogger("syncline.disk")

REFUSED = "The disk of the store is almost full; nothing was changed. Try again."
"""The message of the 20503 that writers receive."""

CONFIGURE_INTERVAL = 1.0
"""Seconds between repetitions of Redis' settings: a restarted Redis has lost them."""

RELIEF = 8_388_608
"""Bytes beyond the margin (a tenth of the margin if that is less) that must be free before writes
are accepted again, so that the state does not flap."""


class DiskWatch:
    """Measures the free space each `--disk-interval`, and reports as `disk` when it is too small.

    Attributes:
        free: bytes free at the last measurement.
        full: True while writes are refused.
    """

    def __init__(
        self, settings: Settings, redis: Redis, readiness: Readiness, *, leads: bool
    ) -> None:
        """
        Args:
            leads: True in the one process that sets up the Redis of all processes.
        """
        self.free = 0
        self.full = False
        self._directory = settings.data_dir
        self._margin = settings.disk_margin
        self._interval = settings.disk_interval
        self._appendfsync = settings.appendfsync
        self._redis = redis
        self._readiness = readiness
        self._leads = leads
        self._full_since = 0.0
        self._rewrites = True
        self._relaxed = False
        self._configured_at = float("-inf")  # loop time
        self._task = PeriodicTask(
            self._check, settings.disk_interval, name="the disk watch", logger=logger
        )

    def start(self) -> None:
        """Measure once, before anything is written, then watch in the background."""
        self._measure()
        self._redis.set_up(self._setup)
        self._task.start(pause_first=True)

    async def stop(self) -> None:
        """Stop watching."""
        await self._task.stop()

    async def _check(self) -> None:
        now = asyncio.get_running_loop().time()
        was_full = self.full
        self._measure()
        if was_full and not self.full:
            await self._open()
        elif self._leads and self.full and not self._relaxed:
            await self._relax()
        elif self._leads and now - self._configured_at >= CONFIGURE_INTERVAL:
            self._configured_at = now
            await self._configure()

    def _setup(self) -> Sequence[str]:
        """The command for each new connection: sync as the settings say, unless the disk is full.

        A Redis that was started on a full disk does not sync each commit (`EmbeddedRedis`). It must
        not acknowledge a write in that state.
        """
        return () if self.full else ("CONFIG", "SET", "appendfsync", self._appendfsync)

    def _measure(self) -> None:
        try:
            self.free = free_space(self._directory)
        except OSError as error:
            return logger.error("the free space of %s is unknown: %s", self._directory, error)
        if self.full and self.free >= self._margin + min(RELIEF, self._margin // 10):
            self.full = False
        elif not self.full and self.free < self._margin:
            self.full, self._relaxed = True, self._appendfsync != "always"
            self._full_since = asyncio.get_running_loop().time()
            self._redis.refuse_writes(REFUSED)
            self._readiness.report(
                "disk",
                f"the disk of {self._directory} has {self.free} bytes free, less than the "
                f"{self._margin} of --disk-margin: writes are refused, reads go on",
            )

    async def _open(self) -> None:
        """Accept writes again, once they are as durable as the settings say."""
        # First the sync, then the writes: a write accepted in between would not be durable.
        if not await self._set("appendfsync", self._appendfsync):
            self.full = True  # Redis is away; the next measurement tries again
            return
        self._redis.refuse_writes(None)
        self._readiness.report("disk", None)

    async def _relax(self) -> None:
        """Keep Redis alive on a disk that other programs fill up.

        1. Wait until no process accepts writes: each measures within its interval.
        2. Only then let Redis sync later. What it still writes is the removal of expired keys, and
           a failed sync of those must not end it.
        """
        if asyncio.get_running_loop().time() - self._full_since > 2 * self._interval:
            self._relaxed = await self._set("appendfsync", "everysec")

    async def _configure(self) -> None:
        """Keep Redis from filling the disk by itself."""
        # During a rewrite the new file needs space beside the old one.
        if self.free < 2 * self._file_size() + self._margin:
            await self._set("auto-aof-rewrite-percentage", "0")
            self._rewrites = False
        elif not self._rewrites:
            self._rewrites = await self._set("auto-aof-rewrite-percentage", "100")

    async def _set(self, name: str, value: str) -> bool:
        try:
            await self._redis.execute("CONFIG", "SET", name, value)
        except StorageError as error:
            logger.debug("Redis refuses %s: %s", name, error)
            return False
        return True

    def _file_size(self) -> int:
        """Bytes of the append-only file."""
        folder = self._directory / "redis" / "appendonlydir"
        try:
            return sum(entry.stat().st_size for entry in os.scandir(folder))
        except OSError:
            return 0  # an older Redis, or a file that was just replaced
