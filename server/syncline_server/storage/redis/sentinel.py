"""A Redis master that Sentinels monitor and replace when it fails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from syncline_server.observability.tasks import PeriodicTask
from syncline_server.storage.errors import StorageError

from .address import Address
from .connection import Connection, connect, describe
from .engine import WholeEngine

__all__ = ["SENTINEL_PORT", "SentinelRedis"]

logger = logging.getLogger("syncline.redis")

SENTINEL_PORT = 26_379

POLL_INTERVAL = 1.0
"""Seconds between questions for the current master.

They go on while the connection works: a master that was paused and replaced keeps its connections,
and still answers on them when it resumes.
"""

SUSPICION_PAUSE = 0.2
"""Seconds before the Sentinels are asked about a master that is in trouble."""


class SentinelRedis(WholeEngine):
    """An `Engine`: the master that the Sentinels name. The shard's name is its address."""

    def __init__(
        self, sentinels: Sequence[Address], name: str, master: Address, timeout: float
    ) -> None:
        """
        Args:
            sentinels: their addresses.
            name: their name for the master.
            master: how to log in to the master; the Sentinels name its host and port.
            timeout: seconds that a Sentinel may take to answer.
        """
        self._sentinels = list(sentinels)
        self._name = name
        self._login = master
        self.database = master.database
        self._timeout = timeout
        self._master: Address | None = None
        self._callbacks: list[Callable[[], None]] = []
        self._task = PeriodicTask(
            self._look_again, POLL_INTERVAL, name="the reader of the Sentinels", logger=logger
        )

    def __str__(self) -> str:
        return f"the Sentinels at {', '.join(map(str, self._sentinels))} (master {self._name})"

    def shards(self) -> Collection[str]:
        """The current master; empty before one is known."""
        return () if self._master is None else (str(self._master),)

    def shard_of(self, key: str) -> str:
        """The current master. Raises `LookupError` before one is known."""
        if self._master is None:
            raise LookupError("no master is known yet")
        return str(self._master)

    async def address(self, shard: str) -> Address:
        """The address of the master. Raises `OSError` if another master has replaced `shard`."""
        if self._master is None or shard != str(self._master):
            raise OSError(f"{shard} is no longer the master")
        return self._master

    def suspect(self, shard: str) -> None:
        """Ask the Sentinels now."""
        self._task.wake()

    async def confirms(self, shard: str) -> bool:
        """True if most of all Sentinels name this shard.

        One Sentinel is not enough: those in reach may be cut off from the majority that elected
        another master.
        """
        answers = await asyncio.gather(
            *(self._ask_sentinel(sentinel) for sentinel in self._sentinels), return_exceptions=True
        )
        votes = sum(isinstance(each, Address) and str(each) == shard for each in answers)
        return votes * 2 > len(self._sentinels)

    def on_change(self, callback: Callable[[], None]) -> None:
        """Call `callback` when the master has changed."""
        self._callbacks.append(callback)

    async def start(self) -> None:
        """Ask the Sentinels once, and go on in the background."""
        await self._find_master()
        self._task.start(pause_first=True)

    async def stop(self) -> None:
        """Stop asking."""
        await self._task.stop()

    async def _look_again(self) -> None:
        await asyncio.sleep(SUSPICION_PAUSE)
        await self._find_master()

    async def _find_master(self) -> None:
        self.trouble = f"no Sentinel knows a master called {self._name}"
        for sentinel in list(self._sentinels):
            try:
                found = await self._ask_sentinel(sentinel)
            except (OSError, StorageError) as error:
                self.trouble = f"the Sentinel at {sentinel} does not answer: {describe(error)}"
                logger.info("the Sentinel at %s does not answer: %s", sentinel, error)
                continue
            if found is not None:
                # Ask this Sentinel first next time, since it answered.
                self._sentinels.remove(sentinel)
                self._sentinels.insert(0, sentinel)
                self.trouble = None
                return self._set_master(found)
        logger.warning("no Sentinel knows a master called %s", self._name)

    def _set_master(self, master: Address) -> None:
        if master != self._master:
            logger.info("the master is %s", master)
            self._master = master
            for callback in self._callbacks:
                callback()

    async def _ask_sentinel(self, sentinel: Address) -> Address | None:
        connection: Connection = await connect(sentinel, self._timeout)
        try:
            async with asyncio.timeout(self._timeout):
                found = await connection.execute("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._name)
        finally:
            connection.abort()
        if found is None:
            return None
        return replace(self._login, host=found[0].decode(), port=int(found[1]))
