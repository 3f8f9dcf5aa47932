"""The registry of open connections.

A server that stops drains all connections. The revocation of an API key evicts its clients. An
operator lists them, and disconnects one.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from syncline_server.observability.metrics import Load

__all__ = ["OPEN_SHOWN", "ConnectionRegistry", "Description", "LiveConnection"]

logger = logging.getLogger("syncline.keys")

VISITED_AT_ONCE = 1000
"""Connections that `loads` visits before it yields to the event loop."""


OPEN_SHOWN = 50
"""Open objects that a description names, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What an operator is shown of a connection.

    Attributes:
        identity: None until the client has authenticated.
        service_sid: None until then.
        wire: the protocol, as in metrics.
        peer: address and port of the client; None if they are not known.
        key: as `LiveConnection.key`.
        opened: SIDs of up to `OPEN_SHOWN` open objects.
        open_count: how many objects are open.
        in_flight: requests that are not answered yet.
        waiting: bytes that wait to be sent to the client.
        is_slow: True while the client reads more slowly than the server sends.
    """

    identity: str | None
    service_sid: str | None
    wire: str
    peer: str | None
    key: str | None
    opened: list[str]
    open_count: int
    in_flight: int
    waiting: int
    is_slow: bool


class LiveConnection(Protocol):
    """A connection that stays open: a socket or an event stream."""

    @property
    def key(self) -> str | None:
        """The API key of the client's login, or that signed its token; None if there is none."""

    def evict(self) -> None:
        """The key was revoked: close now, as for a refused token. Must not block."""

    def drain(self) -> None:
        """The server stops: close so that the client connects again. Must not block."""

    def disconnect(self) -> None:
        """An operator closes the connection; the client may connect again. Must not block."""

    def load(self) -> Load:
        """The connection's current use of resources."""

    def describe(self) -> Description:
        """The connection as operators see it."""


class ConnectionRegistry:
    """The open connections of one process.

    Attributes:
        process: random; the ids of its connections end with it.
    """

    def __init__(self) -> None:
        # Each with the time at which it was added, in ns, as its number: unique, and ascending.
        self._connections: dict[LiveConnection, int] = {}
        self._last = 0
        # Ids of another process, or of an earlier one with the same number, are different.
        self.process = secrets.token_hex(8)
        self._draining = False
        self._empty = asyncio.Event()

    @property
    def count(self) -> int:
        """Number of open connections."""
        return len(self._connections)

    async def loads(self) -> list[Load]:
        """The load of each connection; yields now and then, because there may be very many."""
        loads = []
        for number, connection in enumerate(list(self._connections), start=1):
            # It may have closed during a `sleep` below.
            if connection in self._connections:
                loads.append(connection.load())
            if number % VISITED_AT_ONCE == 0:
                await asyncio.sleep(0)
        return loads

    def add(self, connection: LiveConnection) -> None:
        """Add a connection; one that opens while the server stops is drained at once."""
        self._last = max(time.time_ns(), self._last + 1)
        self._connections[connection] = self._last
        if self._draining:
            connection.drain()

    def remove(self, connection: LiveConnection) -> None:
        """Remove a connection that has closed."""
        self._connections.pop(connection, None)
        if not self._connections:
            self._empty.set()

    async def described(
        self, after: str, count: int, is_wanted: Callable[[Description], bool]
    ) -> list[tuple[str, Description]]:
        """Up to `count` connections whose ids are greater than `after`, each with its id.

        They come in the order in which they were opened, which is that of the ids. Yields now and
        then, as `loads`.
        """
        found: list[tuple[str, Description]] = []
        for visited, (connection, number) in enumerate(list(self._connections.items()), start=1):
            name = self._id(number)
            if name > after and connection in self._connections:
                description = connection.describe()
                if is_wanted(description):
                    found.append((name, description))
            if len(found) == count:
                break
            if visited % VISITED_AT_ONCE == 0:
                await asyncio.sleep(0)
        return found

    def disconnect(self, id_: str) -> Description | None:
        """Close the connection with this id. Returns what it was; None if there is none here."""
        for connection, number in self._connections.items():
            if self._id(number) == id_:
                description = connection.describe()
                connection.disconnect()
                return description
        return None

    def _id(self, number: int) -> str:
        return f"CN{number:016x}{self.process}"

    def evict(self, key: str) -> None:
        """Close all connections of a revoked API key."""
        affected = [connection for connection in self._connections if connection.key == key]
        logger.info(
            "the login %s is no longer valid; %d clients are disconnected",
            key,
            len(affected),
        )
        for connection in affected:
            try:
                connection.evict()
            except Exception:
                # One failure must not keep the others connected (promise 6).
                logger.exception("a client could not be disconnected")

    async def drain_all(self) -> None:
        """Drain all open connections and all later ones; return when all have closed."""
        self._draining = True
        for connection in list(self._connections):
            connection.drain()
        if self._connections:
            self._empty.clear()
            await self._empty.wait()
