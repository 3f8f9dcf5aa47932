"""Everybody who stays connected: whom a stopping server takes its leave of, and who must go when
the API key that vouches for them is revoked."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from typing import Protocol

from syncline_server.observability.metrics import Load

__all__ = ["Departures", "Guest"]

logger = logging.getLogger("syncline.keys")

LOOKED_AT_ONCE = 1000
"""Guests that are looked at without a pause for others."""


class Guest(Protocol):
    """A connection that stays."""

    @property
    def key(self) -> str | None:
        """The API key that vouches for the client; None if none does."""

    def turn_out(self) -> None:
        """The key is no more: end now, with the word for a refused token; must not block."""

    def go_away(self) -> None:
        """Tell the client to connect again elsewhere, and end; must not block."""

    def load(self) -> Load:
        """What it holds at the moment."""


class Departures:
    """The guests of one server."""

    def __init__(self) -> None:
        self._guests: set[Guest] = set()
        self._leaving = False
        self._empty = asyncio.Event()

    @property
    def guests(self) -> Collection[Guest]:
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

    def arrive(self, guest: Guest) -> None:
        """Note a guest; one who comes while the server leaves is sent on at once."""
        self._guests.add(guest)
        if self._leaving:
            guest.go_away()

    def depart(self, guest: Guest) -> None:
        """The guest has gone."""
        self._guests.discard(guest)
        if not self._guests:
            self._empty.set()

    def turn_out(self, key: str) -> None:
        """End all for whom that API key vouches."""
        vouched = [guest for guest in self._guests if guest.key == key]
        logger.info("API key %s is valid no more; %d clients have to go", key, len(vouched))
        for guest in vouched:
            try:
                guest.turn_out()
            except Exception:
                # The others must go all the same.
                logger.exception("a client could not be turned out")

    async def send_all_away(self) -> None:
        """Take leave of all that are here and all that come; return when all have gone."""
        self._leaving = True
        for guest in list(self._guests):
            guest.go_away()
        if self._guests:
            self._empty.clear()
            await self._empty.wait()
