"""Admission of new connections: a limit on their number and on their rate."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from syncline_protocol.errors import Code, Refusal
from syncline_server.config.settings import Settings
from syncline_server.observability.audit import Audit
from syncline_server.observability.metrics import Limit, Meters
from syncline_server.observability.rate_limit import TokenBucket

from .connections import ConnectionRegistry

__all__ = ["Admission"]

RECENT = 5.0
"""Seconds for which `recent_refusal` reports the last refusal."""


class Admission:
    """The limits that all sockets and event streams of a process share."""

    def __init__(
        self,
        settings: Settings,
        connections: ConnectionRegistry,
        meters: Meters,
        audit: Audit,
        *,
        clock: Callable[[], float],
    ) -> None:
        """
        Args:
            connections: the connections that are open.
            clock: returns the time in seconds, from any starting point.
        """
        self._limit = settings.max_connections
        self._connections = connections
        self._limit_hits = meters.limit_hits
        self._audit = audit
        self._rate = settings.connect_rate
        self._bucket = TokenBucket(self._rate, clock)
        self._clock = clock
        self._last: tuple[Refusal, float] | None = None

    def check(self) -> Refusal | None:
        """Count a new connection. Returns why it is refused; None admits it."""
        refusal = self.check_room() or self.check_rate()
        if refusal is not None:
            self._last = refusal, self._clock()
        return refusal

    def check_room(self) -> Refusal | None:
        """Check the limit on the number of connections only; None if there is room."""
        refusal = self._full()
        if refusal is not None:
            self._limit_hits[Limit.MAX_CONNECTIONS] += 1
        return refusal

    def check_rate(self) -> Refusal | None:
        """Count a new connection, and check the limit on the rate only; None admits it."""
        if self._bucket.admit():
            return None
        self._limit_hits[Limit.CONNECT_RATE] += 1
        return Refusal(
            Code.RATE_LIMITED,
            f"This server accepts {self._rate} connections per second; more arrived.",
        )

    def recent_refusal(self) -> Refusal | None:
        """Why a connection was refused within the last `RECENT` seconds, or would be now.

        Counts nothing. The token bucket cannot answer this: it admits again within milliseconds,
        before a client can ask why its handshake was refused.
        """
        if self._last is None or self._clock() - self._last[1] > RECENT:
            return self._full()
        return self._last[0]

    def _full(self) -> Refusal | None:
        if self._connections.count < self._limit:
            return None
        return Refusal(
            Code.UNAVAILABLE, f"This server already has {self._limit} connections, the maximum."
        )

    def report_forwarding(self, peer: str, names: Iterable[str]) -> None:
        """Report `forwarding_notice.HEADERS` from `peer`, an address without a port, which is not a
        trusted proxy."""
        for name in names:
            self._audit.forwarding.log_once(peer, name)

    def record_refusal(self, code: int, path: str, peer: str, **known: object) -> None:
        """Record in the audit log that a client at the address `peer` was not admitted."""
        self._audit.turned_away(code, path, partial(dict[str, object], peer=peer, **known))
