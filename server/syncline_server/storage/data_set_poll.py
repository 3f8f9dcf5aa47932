"""The poll of the data set: one command, which every process sends some twice a second.

It reads the versions of all sets of records that this process caches (`ChangeWatcher`), and who has
the lease of the periodic work (`PeriodicLease`). The process that has it renews it, and any process
that finds none takes it. A script would do both in one step, but costs Redis ten times as much as a
command when its code is not in the processor's caches, as between the polls of idle processes.
"""

from __future__ import annotations

import logging
import random
import time
from contextlib import suppress
from typing import Protocol

from syncline_server.observability.tasks import PeriodicTask, TaskSet

from . import keys
from .errors import StorageError
from .periodic_lease import LEASE_MS, PeriodicLease
from .redis.client import Redis
from .scripts import LEASE, by_name

__all__ = ["POLL_INTERVAL", "DataSetPoll"]

logger = logging.getLogger("syncline.poll")

POLL_INTERVAL = 0.5
"""Seconds between polls, at most."""

JITTER = 0.2
"""Part of the interval by which it varies, so that many processes do not poll at once."""


class Watcher(Protocol):
    """The receiver of a version."""

    key: str

    async def accept(self, version: bytes | None, asked_at: float) -> None:
        """Receive the version, which was asked for at `asked_at` (`time.monotonic`)."""


class DataSetPoll(PeriodicTask):
    """Polls the data set until it is stopped, and then gives the lease back."""

    def __init__(self, redis: Redis, lease: PeriodicLease | None = None) -> None:
        """`lease`: None for a process that does no periodic work."""
        super().__init__(self._poll, _interval, name="the poll of the data set", logger=logger)
        self._redis = redis
        self._lease = lease
        self._watchers: list[Watcher] = []
        self._tasks = TaskSet()

    def add(self, watcher: Watcher) -> None:
        """Give the watcher the version of its key with each poll."""
        self._watchers.append(watcher)

    def remove(self, watcher: Watcher) -> None:
        """Give it no more versions."""
        self._watchers.remove(watcher)

    async def stop(self) -> None:
        """Stop polling, and let another process take the lease at its next poll."""
        await super().stop()
        await self._tasks.aclose()
        if self._lease is not None and self._lease.is_held:
            self._lease.update(False, 0.0)
            with suppress(StorageError):
                await self._renew(self._lease.holder, 0)

    async def _poll(self) -> None:
        # Taken before the reply: from this moment on changes may be missing.
        asked_at, watchers = time.monotonic(), list(self._watchers)
        others = (self._redis.prefixed(each.key) for each in watchers)
        found = await self._redis.execute("MGET", keys.PERIODIC_LEASE, *others)
        holder, *versions = found
        for watcher, version in zip(watchers, versions, strict=True):
            # Not awaited: long reads of one set must not delay the others, nor the lease.
            self._tasks.spawn(watcher.accept(version, asked_at))
        if self._lease is not None:
            self._lease.update(await self._has_lease(self._lease.holder, holder), asked_at)

    async def _has_lease(self, name: str, holder: bytes | None) -> bool:
        """True if this process has the lease after this poll, which found it with `holder`."""
        try:
            if holder is None:
                return await self._acquire(name)
            return holder == name.encode() and await self._renew(name, LEASE_MS)
        except StorageError:
            # Without memory Redis gives no lease. Then every process does the work: it frees
            # memory, and several at once are safe.
            return self._redis.takes_writes

    async def _acquire(self, name: str) -> bool:
        command = ("SET", keys.PERIODIC_LEASE, name, "NX", "PX", LEASE_MS)
        return await self._redis.execute(*command) is not None

    async def _renew(self, name: str, ms: int) -> bool:
        """Renew the lease, or give it back (0). False if another process has it."""
        arguments = by_name({"holder": name, "ms": ms})
        return bool(await self._redis.run(LEASE, keys.PERIODIC_LEASE, *arguments))


def _interval() -> float:
    return POLL_INTERVAL * random.uniform(1 - JITTER, 1)
