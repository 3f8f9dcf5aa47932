"""Everybody who stays connected: whom a stopping server takes its leave of, and who must go when
the API key that vouches for them is revoked."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from typing import Protocol

from syncline_server.observability.metrics import Load

__all__ = ["ConnectionRegistry", "LiveConnection"]

logger = logging.getLogger("syncline.keys")

LOOKED_AT_ONCE = 1000
"""Guests that are looked at without a pause for others."""


class LiveConnection(Protocol):
    """A connection that stays."""

    @property
    def key(self) -> str | None:
        """The API key that vouches for the client; None if none does."""

    def evict(self) -> None:
        """The key is no more: end now, with the word for a refused token; must not block."""

    def drain(self) -> None:
        """Tell the client to connect again elsewhere, and end; must not block."""

    def load(self) -> Load:
        """What it holds at the moment."""


class ConnectionRegistry:
    """The guests of one server."""

    def __init__(self) -> None:
        self._guests: set[LiveConnection] = set()
        self._leaving = False
        self._empty = asyncio.Event()

    @property
    def guests(self) -> Collection[LiveConnection]:
        """Those who are here."""
        return self._guests

    async def loads(self) -> list[Load]:
        """What each of them holds; with pauses, since they may be very many."""
        loads = []
        for number, guest in enumerate(list(self._guests), start=1):
            if guest in self._guests:
                loads.append(guest.load())
            if number % LOOKED_AT_ONCE == 0:
                await asyncio.sleep(0)
        return loads

    def arrive(self, guest: LiveConnection) -> None:
        """Note a guest; one who comes while the server leaves is sent on at once."""
        self._guests.add(guest)
        if self._leaving:
            guest.drain()

    def depart(self, guest: LiveConnection) -> None:
        """The guest has gone."""
        self._guests.discard(guest)
        if not self._guests:
            self._empty.set()

    def evict(self, key: str) -> None:
        """End all for whom that API key vouches."""
        vouched = [guest for guest in self._guests if guest.key == key]
        logger.info("API key %s is valid no more; %d clients have to go", key, len(vouched))
        for guest in vouched:
            try:
                guest.evict()
            except Exception:
                # The others must go all the same.
                logger.exception("a client could not be turned out")

    async def drain_all(self) -> None:
        """Take leave of all that are here and all that come; return when all have gone."""
        self._leaving = True
        for guest in list(self._guests):
            guest.drain()
        if self._guests:
            self._empty.clear()
            await self._empty.wait()
