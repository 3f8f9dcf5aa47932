"""Engines, the ways to run Redis: their interface, and the simplest, an external server."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from typing import Protocol

from syncline_server.storage.errors import Unavailable

from .address import Address

__all__ = ["SHARD", "Engine", "ExternalRedis", "SingleEngine", "WholeEngine"]


SHARD = "redis"
"""The name of the only shard of a `SingleEngine`."""


class Engine(Protocol):
    """One or more shards; each is a Redis master that serves some of the keys.

    Attributes:
        publish, subscribe, unsubscribe: the commands for channels. Those of a Cluster stay within
            one shard.
        channels_at_once: channels that one `subscribe` command may name. Too many would delay
            other commands; on a Cluster all must share a slot.
        database: number of the database.
        is_whole: True if a script reaches every key; False if only those of one slot (a Cluster).
        trouble: why the last search for the shards failed; None if it succeeded.
    """

    publish: str
    subscribe: str
    unsubscribe: str
    channels_at_once: int
    database: int
    is_whole: bool
    trouble: str | None

    def shards(self) -> Collection[str]:
        """The names of the current shards."""

    def shard_of(self, key: str) -> str:
        """The shard that serves a key or a channel. Raises `LookupError` if none is known."""

    async def address(self, shard: str) -> Address:
        """The address of a shard; called before each connect. Starts an embedded server.

        Raises:
            SettingError: the server cannot be started; a retry would not help.
            OSError: the server could not be started or found this time.
        """

    def suspect(self, shard: str) -> None:
        """Find out soon whether another master serves the keys of this shard: it is in trouble."""

    def moved(self, error: str) -> None:
        """Route a slot as a Cluster's error `MOVED <slot> <host>:<port>` says."""

    async def confirms(self, shard: str) -> bool:
        """True if the shard has not been replaced, according to those that elect masters."""

    def on_change(self, callback: Callable[[], None]) -> None:
        """Call `callback` when a shard was added or removed, or serves other keys."""

    async def start(self) -> None:
        """Find the shards.

        Raises:
            SettingError: the settings cannot lead to any shard.
        """

    async def stop(self) -> None:
        """Stop what `start` and `address` started. Acknowledged writes are kept."""


class WholeEngine:
    """Base of the engines with all data on one master."""

    publish, subscribe, unsubscribe = "PUBLISH", "SUBSCRIBE", "UNSUBSCRIBE"
    channels_at_once = 500
    database = 0
    is_whole = True
    trouble: str | None = None

    async def confirms(self, shard: str) -> bool:
        """True: no election replaces this server."""
        return True

    def moved(self, error: str) -> None:
        """Raise `UNAVAILABLE`: only a Cluster sends `MOVED`, and its URL must say so."""
        raise Unavailable("The store is a Cluster; its URL must be redis+cluster://…")


class SingleEngine(WholeEngine, ABC):
    """An `Engine` whose only shard is always the same server."""

    def shards(self) -> Collection[str]:
        """The only shard."""
        return (SHARD,)

    def shard_of(self, key: str) -> str:
        """The only shard."""
        return SHARD

    @abstractmethod
    async def address(self, shard: str) -> Address:
        """As `Engine.address`."""

    def suspect(self, shard: str) -> None:
        """Do nothing: no other server can have the keys."""

    def on_change(self, callback: Callable[[], None]) -> None:
        """Do nothing: the shard never changes."""

    async def start(self) -> None:
        """Start the server, if this engine runs it."""
        await self.address(SHARD)

    async def stop(self) -> None:
        """Do nothing: the server is not a child of this process."""


class ExternalRedis(SingleEngine):
    """A Redis server that runs independently of Syncline."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self.database = address.database

    def __str__(self) -> str:
        return f"the Redis at {self._address}"

    async def address(self, shard: str) -> Address:
        """The configured address."""
        return self._address
