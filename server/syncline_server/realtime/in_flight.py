"""The requests of one socket that are not answered yet."""

from __future__ import annotations

from collections.abc import Callable

from syncline_server.observability.metrics import Limit

from .websocket.socket import Socket

__all__ = ["InFlight"]

FAREWELL_TIMEOUT = 2.0
"""Seconds that `leave` waits for the replies, at most."""


class InFlight:
    """Counts the requests under way, to stop reading at the limit and to close after the last."""

    __slots__ = (
        "_count",
        "_farewell",
        "_leaving",
        "_limit",
        "_socket",
    )

    def __init__(self, socket: Socket) -> None:
        self._socket = socket
        self._limit = socket.settings.max_in_flight
        self._count = 0
        self._leaving = False
        self._farewell: Callable[[], None] | None = None

    @property
    def leaving(self) -> bool:
        """True once `leave` was called: no request is read any more."""
        return self._leaving

    @property
    def may_read(self) -> bool:
        """True while another request may be read."""
        return not self._leaving and self._count < self._limit

    @property
    def count(self) -> int:
        """Number of requests under way."""
        return self._count

    def begin(self) -> None:
        """Count a request that begins."""
        self._count += 1
        # Once, not at each further one: a Twilsock request may begin many commands above the limit.
        if self._count == self._limit:
            self._socket.meters.limit_hits[Limit.MAX_IN_FLIGHT] += 1
            self._socket.pause_reading()

    def end(self) -> None:
        """Count a request that was answered."""
        self._count -= 1
        if self._leaving:
            if not self._count:
                self._part()
        elif self._count == self._limit - 1:
            self._socket.resume_reading()

    def leave(self, farewell: Callable[[], None]) -> None:
        """Read no more, and call `farewell` once all requests are answered.

        It is called after `FAREWELL_TIMEOUT` at the latest. Later calls of `leave` are ignored.
        """
        if not self._leaving:
            self._leaving, self._farewell = True, farewell
            self._socket.pause_reading()
            if self._count:
                self._socket.wheel.call_later(FAREWELL_TIMEOUT, self._part)
            else:
                self._part()

    def _part(self) -> None:
        # The last reply and the timer may both call this: only the first call counts.
        farewell, self._farewell = self._farewell, None
        if farewell is not None:
            farewell()
