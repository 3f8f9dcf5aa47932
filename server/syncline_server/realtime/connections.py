"""The registry of open connections.

A server that stops drains all connections. The revocation of an API key evicts its clients.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from syncline_server.observability.metrics import Load

__all__ = ["ConnectionRegistry", "LiveConnection"]

logger = logging.getLogger("syncline.keys")

VISITED_AT_ONCE = 1000
"""Connections that `loads` visits before it yields to the event loop."""


class LiveConnection(Protocol):
    """A connection that stays open: a socket or an event stream."""

    @property
    def key(self) -> str | None:
        """The API key of the client's login, or that signed its token; None if there is none."""

    def evict(self) -> None:
        """The key was revoked: close now, as for a refused token. Must not block."""

    def drain(self) -> None:
        """The server stops: close so that the client connects again. Must not block."""

    def load(self) -> Load:
        """The connection's current use of resources."""


class ConnectionRegistry:
    """The open connections of one process."""

    def __init__(self) -> None:
        self._connections: set[LiveConnection] = set()
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
        self._connections.add(connection)
        if self._draining:
            connection.drain()

    def remove(self, connection: LiveConnection) -> None:
        """Remove a connection that has closed."""
        self._connections.discard(connection)
        if not self._connections:
            self._empty.set()

    def evict(self, key: str) -> None:
        """Close all connections of a revoked API key."""
        affected = [connection for connection in self._connections if connection.key == key]
        logger.info(
            "API key %s is no longer valid; %d clients are disconnected", key, len(affected)
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
