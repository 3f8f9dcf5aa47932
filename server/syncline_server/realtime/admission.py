"""Who may come in: how many stay, and how fast they come."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from syncline_protocol.errors import Code, Refusal
from syncline_server.auth.token_bucket import Gate
from syncline_server.config.settings import Settings
from syncline_server.observability.audit import Audit
from syncline_server.observability.forwarding_notice import HEADERS
from syncline_server.observability.metrics import Meters

from .connections import Departures

__all__ = ["Door"]

RECENT = 5.0
"""Seconds for which a refusal counts for who asks whether there is room."""


class Door:
    """One for all sockets and event streams of a process."""

    def __init__(
        self,
        settings: Settings,
        departures: Departures,
        meters: Meters,
        audit: Audit,
        clock: Callable[[], float],
    ) -> None:
        """
        Args:
            departures: knows all who are in.
            clock: the time in seconds, from any beginning.
        """
        self._limit = settings.max_connections
        self._departures = departures
        self._bounds = meters.bounds
        self._audit = audit
        self._rate = settings.connect_rate
        self._gate = Gate(self._rate, clock)
        self._clock = clock
        self._last: tuple[Refusal, float] | None = None

    def refusal(self) -> Refusal | None:
        """Why one more cannot come in now; None lets it in."""
        refusal = self.full() or self.hurried()
        if refusal is not None:
            self._last = refusal, self._clock()
        return refusal

    def recent_refusal(self) -> Refusal | None:
        """Why somebody was refused a moment ago, or would be now; counts nothing.

        The gate itself cannot say: it opens again within milliseconds, and whoever asks why a
        handshake was refused comes after that.
        """
        if self._last is None or self._clock() - self._last[1] > RECENT:
            return self._room()
        return self._last[0]

    def _room(self) -> Refusal | None:
        if len(self._departures.guests) < self._limit:
            return None
        return Refusal(Code.UNAVAILABLE, f"This server holds {self._limit} connections already.")

    def full(self) -> Refusal | None:
        """Only whether there is room."""
        refusal = self._room()
        if refusal is not None:
            self._bounds["max_connections"] += 1
        return refusal

    def hurried(self) -> Refusal | None:
        """Only whether too many come at once; counts this one."""
        if self._gate.admit():
            return None
        self._bounds["connect_rate"] += 1
        return Refusal(
            Code.RATE_LIMITED, f"More than {self._rate} connections a second come in here."
        )

    def note_forwarding(self, peer: str, names: Iterable[str]) -> None:
        """Headers came from an address, without a port, that is no trusted proxy."""
        for name in names:
            if name.lower() in HEADERS:
                self._audit.forwarding.give(peer, name.lower())

    def turned_away(self, code: int, path: str, peer: str, **known: object) -> None:
        """Let the audit tell of a client, at the address `peer`, that was not let in."""
        self._audit.turned_away(code, path, partial(dict[str, object], peer=peer, **known))
