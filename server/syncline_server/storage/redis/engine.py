"""What a way to have a Redis must offer, and the simplest: one that somebody runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from typing import Protocol

from syncline_protocol.errors import Code, Refusal

from .address import Address

__all__ = ["SHARD", "Engine", "ExternalRedis", "SingleEngine", "WholeEngine"]


SHARD = "redis"
"""The name of the one shard of an engine that has always the same."""


class Engine(Protocol):
    """Where the data is: one or more shards, each a master that serves some of the keys.

    Attributes:
        publish, subscribe, unsubscribe: the commands for channels: those of a Cluster stay within
            their shard.
        channels_at_once: how many one `subscribe` may name: many would hold up others, and those
            of a Cluster must share a slot.
        database: the number of the database.
        is_whole: True where a script reaches every key, not only those of one slot.
        trouble: why the shards could not be found at the last look; None if they were.
    """

    publish: str
    subscribe: str
    unsubscribe: str
    channels_at_once: int
    database: int
    is_whole: bool
    trouble: str | None

    def shards(self) -> Collection[str]:
        """The names of those there are now."""

    def shard_of(self, key: str) -> str:
        """The shard that serves a key or a channel. Raises `LookupError` if none is known to."""

    async def address(self, shard: str) -> Address:
        """Where it listens. Starts it where that is this process' task; asked before each connect.

        Raises:
            SettingError: it cannot be started, and will not be the next time.
            OSError: it could not be started, or found, now.
        """

    def suspect(self, shard: str) -> None:
        """Something is wrong with a shard: look soon whether another master has its keys."""

    def moved(self, error: str) -> None:
        """Take a Cluster's word, `MOVED <slot> <host>:<port>`, for who serves a slot."""

    async def confirms(self, shard: str) -> bool:
        """True if a shard is still the master for all that those who replace masters know."""

    def on_change(self, callback: Callable[[], None]) -> None:
        """Call when a shard came or went, or serves other keys."""

    async def start(self) -> None:
        """Find the shards.

        Raises:
            SettingError: there can be none.
        """

    async def stop(self) -> None:
        """End what was started; what was acknowledged is kept."""


class WholeEngine:
    """What engines share that keep all data in one place: the commands for its channels."""

    publish, subscribe, unsubscribe = "PUBLISH", "SUBSCRIBE", "UNSUBSCRIBE"
    channels_at_once = 500
    database = 0
    is_whole = True
    trouble: str | None = None

    async def confirms(self, shard: str) -> bool:
        """Nobody replaces it but people."""
        return True

    def moved(self, error: str) -> None:
        """A node of a Cluster was given as a single server."""
        raise Refusal(Code.UNAVAILABLE, "The store is a Cluster; its URL must be redis+cluster://…")


class SingleEngine(WholeEngine, ABC):
    """An `Engine` that is always the same server."""

    def shards(self) -> Collection[str]:
        """The one there is."""
        return (SHARD,)

    def shard_of(self, key: str) -> str:
        """The one there is."""
        return SHARD

    @abstractmethod
    async def address(self, shard: str) -> Address:
        """As `Engine.address`."""

    def suspect(self, shard: str) -> None:
        """There is no other."""

    def on_change(self, callback: Callable[[], None]) -> None:
        """Nothing changes."""

    async def start(self) -> None:
        """Start it where that is this process' task."""
        await self.address(SHARD)

    async def stop(self) -> None:
        """Nothing of it is ours."""


class ExternalRedis(SingleEngine):
    """A Redis that somebody runs."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self.database = address.database

    def __str__(self) -> str:
        return f"the Redis at {self._address}"

    async def address(self, shard: str) -> Address:
        """Always the same."""
        return self._address
