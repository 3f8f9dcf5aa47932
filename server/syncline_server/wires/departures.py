"""Everybody who stays connected, so that a stopping server can take its leave."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Protocol

from syncline_server.metrics import Load

__all__ = ["Departures", "Guest"]


class Guest(Protocol):
    """A connection that stays."""

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

    async def send_all_away(self) -> None:
        """Take leave of all that are here and all that come; return when all have gone."""
        self._leaving = True
        for guest in list(self._guests):
            guest.go_away()
        if self._guests:
            self._empty.clear()
            await self._empty.wait()
