"""The requests of one socket that are not answered yet."""

from __future__ import annotations

from collections.abc import Callable

from syncline_server.observability.metrics import Limit

from .websocket.socket import Socket
from .websocket.states import Pause

__all__ = ["InFlight"]

LEAVE_TIMEOUT = 2.0
"""Seconds that `leave` waits for the replies, at most."""


class InFlight:
    """Counts the requests under way, to stop reading at the limit and to close after the last.

    Attributes:
        count: number of requests under way.
        pages: how many of them read a page of items, whose replies may be large.
        leaving: True once `leave` was called: no request is read any more.
    """

    __slots__ = ("_close", "_limit", "_socket", "count", "leaving", "pages")

    def __init__(self, socket: Socket) -> None:
        self.count = 0
        self.pages = 0
        self.leaving = False
        self._socket = socket
        self._limit = socket.settings.max_in_flight
        self._close: Callable[[], None] | None = None

    def begin(self) -> None:
        """Count a request that begins."""
        self.count += 1
        # Once, not at each further one: a Twilsock request may begin many commands above the limit.
        if self.count == self._limit:
            self._socket.meters.limit_hits[Limit.MAX_IN_FLIGHT] += 1
            self._socket.pause_reading(Pause.IN_FLIGHT)

    def begin_page(self) -> None:
        """Count a request that reads a page of items, besides `begin`."""
        self.pages += 1
        if self.pages == self._socket.settings.max_pages:
            self._socket.meters.limit_hits[Limit.MAX_PAGES] += 1
            self._socket.pause_reading(Pause.PAGES)

    def end_page(self) -> None:
        """Count a page that was read, before `end`."""
        self.pages -= 1
        if self.pages == self._socket.settings.max_pages - 1:
            self._socket.resume_reading(Pause.PAGES)

    def end(self) -> None:
        """Count a request that was answered."""
        self.count -= 1
        if self.count == self._limit - 1:
            self._socket.resume_reading(Pause.IN_FLIGHT)
        if self.leaving and not self.count:
            self._call_close()

    def leave(self, close: Callable[[], None]) -> None:
        """Read no more, and call `close` once all requests are answered.

        It is called after `LEAVE_TIMEOUT` at the latest. Later calls of `leave` are ignored.
        """
        if not self.leaving:
            self.leaving, self._close = True, close
            self._socket.pause_reading(Pause.LEAVING)
            if self.count:
                self._socket.timers.call_later(LEAVE_TIMEOUT, self._call_close)
            else:
                self._call_close()

    def _call_close(self) -> None:
        # The last reply and the timer may both call this: only the first call counts.
        close, self._close = self._close, None
        if close is not None:
            close()
