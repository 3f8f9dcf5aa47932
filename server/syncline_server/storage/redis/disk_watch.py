"""The disk of the embedded Redis: writes are refused before it is full.

Redis itself has two answers to a full disk. Where it syncs each commit it ends, and is started
again for the next write; else it refuses writes. So writes end here while there is still room for
what Redis writes by itself (expired keys), and reads go on.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Sequence
from contextlib import suppress

from syncline_protocol.errors import Refusal
from syncline_server.config.settings import Settings
from syncline_server.observability.readiness import Readiness

from .client import Redis
from .connection import ReplyError
from .embedded import free_space

__all__ = ["DiskWatch"]

logger = logging.getLogger("syncline.disk")

REFUSED = "The disk of the store is almost full; nothing was changed. Try again."
"""What a writer gets, with 20503."""

CONFIGURE_INTERVAL = 1.0
"""Seconds between repetitions of what Redis is set to: one that was started again has forgotten."""

RELIEF = 8_388_608
"""Bytes beyond the margin, or a tenth of it if that is less, that must be free before writes go on:
so that this does not flap."""


class DiskWatch:
    """Looks at the free space each `--disk-interval`, and reports as `disk` when it runs out.

    Attributes:
        free: bytes at the last look.
        full: True while writes are refused.
    """

    def __init__(
        self, settings: Settings, redis: Redis, readiness: Readiness, *, leads: bool
    ) -> None:
        """`leads`: this is the one of several processes that sets up the Redis of all."""
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
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin with a first look, before anything is written."""
        self._look()
        self._redis.set_up(self._setup)
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        clock = asyncio.get_running_loop().time
        configured_at = 0.0
        while True:
            await asyncio.sleep(self._interval)
            was_full = self.full
            self._look()
            if was_full and not self.full:
                await self._open()
            elif self._leads and self.full and not self._relaxed:
                await self._relax()
            elif self._leads and clock() - configured_at >= CONFIGURE_INTERVAL:
                configured_at = clock()
                await self._configure()

    def _setup(self) -> Sequence[str]:
        """A Redis that was started on a full disk syncs later (`EmbeddedRedis`), and must not
        acknowledge a write like that."""
        return () if self.full else ("CONFIG", "SET", "appendfsync", self._appendfsync)

    def _look(self) -> None:
        try:
            self.free = free_space(self._directory)
        except OSError as error:
            return logger.error("the free space of %s is not known: %s", self._directory, error)
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
        """Let writes through again, once they are as durable as the settings say."""
        if not await self._set("appendfsync", self._appendfsync):
            self.full = True  # Redis is away; the next look tries again
            return
        self._redis.refuse_writes(None)
        self._readiness.report("disk", None)

    async def _relax(self) -> None:
        """Keep Redis alive on a disk that others fill up.

        1. No process lets a write through any more: each looks within its interval. Only then
        2. may syncs come later, of what Redis removes by itself: one that fails does not end it.
        """
        if asyncio.get_running_loop().time() - self._full_since > 2 * self._interval:
            self._relaxed = await self._set("appendfsync", "everysec")

    async def _configure(self) -> None:
        """Keep Redis from filling the disk by itself."""
        # A file that is written again stands beside the old one until it is complete.
        if self.free < 2 * self._file_size() + self._margin:
            await self._set("auto-aof-rewrite-percentage", "0")
            self._rewrites = False
        elif not self._rewrites:
            self._rewrites = await self._set("auto-aof-rewrite-percentage", "100")

    async def _set(self, name: str, value: str) -> bool:
        try:
            await self._redis.execute("CONFIG", "SET", name, value)
        except (Refusal, ReplyError) as error:
            logger.debug("Redis does not take %s: %s", name, error)
            return False
        return True

    def _file_size(self) -> int:
        """Bytes of the append-only file."""
        folder = self._directory / "redis" / "appendonlydir"
        try:
            return sum(entry.stat().st_size for entry in os.scandir(folder))
        except OSError:
            return 0  # an older Redis, or a file that was just replaced
