"""A Redis Cluster: 16,384 slots, each served by one of its masters."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

from redis.crc import key_slot

from syncline_server.config.validation import SettingError
from syncline_server.observability.tasks import PeriodicTask
from syncline_server.storage.errors import StorageError

from .address import Address
from .connection import Connection, connect, describe

__all__ = ["RedisCluster"]

logger = logging.getLogger("syncline.redis")

POLL_INTERVAL = 5.0
"""Seconds between reads of the slot map while no shard is suspect."""

SUSPICION_INTERVAL = 0.25
"""Seconds between reads while a shard is suspect: the node that answers may not know better yet."""

SUSPICION_SPAN = 10.0
"""Seconds for which a shard stays suspect after the last report."""


class RedisCluster:
    """An `Engine`; a shard's name is its master's `host:port`."""

    publish, subscribe, unsubscribe = "SPUBLISH", "SSUBSCRIBE", "SUNSUBSCRIBE"
    channels_at_once = 1
    database = 0
    is_whole = False

    def __init__(self, seeds: Sequence[Address], timeout: float) -> None:
        """
        Args:
            seeds: some of the nodes; they name the others.
            timeout: seconds that a node may take to answer.
        """
        self._seeds = list(seeds)
        self._timeout = timeout
        self._slots: dict[int, str] = {}
        self._masters: dict[str, Address] = {}
        self._callbacks: list[Callable[[], None]] = []
        self._suspect_until = 0.0
        self._task = PeriodicTask(
            self._read_map, self._interval, name="the reader of the slot map", logger=logger
        )
        self.trouble: str | None = None

    def __str__(self) -> str:
        return f"the Cluster at {', '.join(map(str, self._seeds))}"

    def shards(self) -> Collection[str]:
        """The masters that serve slots."""
        return self._masters.keys()

    def shard_of(self, key: str) -> str:
        """The master of the key's slot."""
        return self._slots[key_slot(key.encode())]

    async def address(self, shard: str) -> Address:
        """Where a master listens."""
        if shard not in self._masters:
            raise OSError(f"{shard} is no longer a master of the Cluster")
        return self._masters[shard]

    def suspect(self, shard: str) -> None:
        """Read the slot map more often for `SUSPICION_SPAN` seconds."""
        if not self._is_suspicious:
            self._task.wake()
        self._suspect_until = asyncio.get_running_loop().time() + SUSPICION_SPAN

    def moved(self, error: str) -> None:
        """Route a slot to the master that a `MOVED` error names, until the map is read again."""
        _, slot, shard = error.split(" ")[:3]
        self.suspect(shard)
        if shard.startswith(":"):
            return  # no host: that of the node that answered, which this method does not know
        self._masters.setdefault(shard, self._address_of(shard))
        self._slots[int(slot)] = shard
        self._changed()

    async def confirms(self, shard: str) -> bool:
        """True while the slot map names the master.

        No vote is needed: a master that is cut off from the Cluster refuses writes by itself.
        """
        return shard in self._masters

    def on_change(self, callback: Callable[[], None]) -> None:
        """Call `callback` when the slot map has changed."""
        self._callbacks.append(callback)

    async def start(self) -> None:
        """Read the slot map from any node that answers, and keep it up to date.

        Raises:
            SettingError: the server that answers is not a Cluster.
        """
        await self._read_map(first=True)
        self._task.start(pause_first=True)

    async def stop(self) -> None:
        """Stop reading the slot map."""
        await self._task.stop()

    @property
    def _is_suspicious(self) -> bool:
        return asyncio.get_running_loop().time() < self._suspect_until

    def _interval(self) -> float:
        return SUSPICION_INTERVAL if self._is_suspicious else POLL_INTERVAL

    async def _read_map(self, *, first: bool = False) -> None:
        for address in [*self._masters.values(), *self._seeds]:
            try:
                slots = await self._fetch_slots(address)
            except (OSError, StorageError) as error:
                if first and "cluster support disabled" in str(error):
                    raise SettingError(
                        f"--redis-url names a Cluster, but {address} is a single server"
                    ) from None
                self.trouble = f"{address} does not answer: {describe(error)}"
                logger.info("%s does not return the map of slots: %s", address, error)
            else:
                self.trouble = None if slots else f"{address} serves no slots"
                return self._read_slots(slots, address)

    async def _fetch_slots(self, address: Address) -> list[Any]:
        connection: Connection = await connect(address, self._timeout)
        try:
            async with asyncio.timeout(self._timeout):
                slots: list[Any] = await connection.execute("CLUSTER", "SLOTS")
                return slots
        finally:
            connection.abort()

    def _read_slots(self, ranges: list[Any], asked: Address) -> None:
        slots: dict[int, str] = {}
        masters: dict[str, Address] = {}
        for first, last, master, *_ in ranges:
            host = master[0].decode() if master[0] else asked.host
            shard = f"{host}:{master[1]}"
            masters[shard] = self._address_of(shard)
            slots.update(dict.fromkeys(range(first, last + 1), shard))
        if slots and slots != self._slots:
            self._slots, self._masters = slots, masters
            self._changed()

    def _address_of(self, shard: str) -> Address:
        host, _, port = shard.rpartition(":")
        return replace(self._seeds[0], host=host, port=int(port))

    def _changed(self) -> None:
        for callback in self._callbacks:
            callback()
