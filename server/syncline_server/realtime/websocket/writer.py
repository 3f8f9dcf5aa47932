"""The writing half of a socket.

It writes whole frames. The frame of an event is made once for all clients, and the same bytes go to
each transport, without a task or a copy. `cork` joins the frames of one turn of the event loop into
one write.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import Enum, auto
from typing import TYPE_CHECKING

from syncline_protocol.objects import Event
from syncline_server.observability.metrics import Tally
from syncline_server.pubsub.cork import Cork
from syncline_server.pubsub.outlets import Calls
from syncline_server.realtime.send_queue import Overflow, QueueLimits, SendQueue

if TYPE_CHECKING:
    from syncline_server.pubsub.plain_outlets import Outlet
else:
    Outlet = object

__all__ = ["SocketWriter", "writer_type"]


class _Output(Enum):
    """What becomes of a new frame.

    `DIRECT` → `QUEUED`: the transport's buffer is full, because the client reads too slowly.
    `QUEUED` → `DIRECT`: the buffer has room again, and the queue is empty.
    `DIRECT`, `QUEUED` → `ENDED`: the socket closes, or its connection was lost.
    """

    DIRECT = auto()
    """It goes to the cork, and at the end of this turn to the transport."""

    QUEUED = auto()
    """It waits in the send queue, where a later event of its document or item may replace it."""

    ENDED = auto()
    """It is discarded. Earlier frames are still sent from the send queue."""


_DIRECT, _QUEUED = _Output.DIRECT, _Output.QUEUED


class SocketWriter(Outlet):
    """Sends frames to one client. `writer_type` makes the class of an implementation of `Outlet`.

    Attributes:
        tally: counts the events; `Socket` sets it when the connection is open.
        overflow: as in `SendQueue`; None until the client has a session.
    """

    tally: Tally
    overflow: Overflow | None

    if not TYPE_CHECKING:
        __slots__ = ()  # `writer_type` has them

    def __init__(
        self, transport: asyncio.Transport, cork: Cork, limits: QueueLimits, duplicate: int = -1
    ) -> None:
        """
        Args:
            limits: of the queue; its mark is that of the transport's buffer too.
            duplicate: as in `Outlet`.
        """
        super().__init__(transport, duplicate)
        self._cork = cork
        self._limits = limits
        self.overflow = None
        self._output = _DIRECT
        # What the transport said last, by `pause` or `resume`.
        self._is_full = False
        self._queue: SendQueue | None = None
        # Writes the last bytes, if they still have to wait for the queue.
        self._last: Callable[[], None] | None = None
        transport.set_write_buffer_limits(high=limits.mark, low=limits.mark // 4)

    @property
    def waiting(self) -> int:
        """Bytes that wait to be sent to the client."""
        queued = 0 if self._queue is None else self._queue.size
        return queued + self.transport.get_write_buffer_size()

    @property
    def is_direct(self) -> bool:
        """True if frames may bypass this writer and go to `write` or the cork, until `pause`."""
        return self._output is _DIRECT

    def send(self, frame: bytes) -> None:
        """Send a frame that must not be replaced."""
        if self._output is _DIRECT:
            self._cork.add_frame(self, frame)
        elif self._output is _QUEUED:
            # Behind the frames that wait: replies and events keep their order (promise 4).
            assert self._queue is not None
            self._queue.add_frame(frame)

    def send_event(
        self, event: Event, frame: bytes, whole: Callable[[Event], bytes] | None = None
    ) -> None:
        """Send an event; while the client is slow, a later event of its document or item may
        replace it.

        `whole`: as in `SendQueue.add_event`.
        """
        self.tally.events += 1
        self.tally.resets += event.resets
        if self._output is _DIRECT:
            self._cork.add_frame(self, frame)
        elif self._output is _QUEUED:
            assert self._queue is not None
            self.tally.conflated += self._queue.add_event(event, frame, whole)

    def pause(self) -> None:
        """Queue new frames: the transport's buffer is full."""
        self._is_full = True
        if self._output is _DIRECT:
            self._output, self._queue = _QUEUED, SendQueue(self._limits, self.overflow)

    def resume(self) -> bool:
        """Write the queue: the transport's buffer has room. True if nothing waits any more."""
        self._is_full = False
        while self._queue is not None:
            if self._queue.empty:
                self._queue = None
            else:
                self.write(self._queue.take_frame())
                if self._is_full:  # this write has called `pause`
                    return False
        if self._output is _QUEUED:
            self._output = _DIRECT
        self._write_last()
        return True

    def end(self, last: Callable[[], None]) -> None:
        """Discard new frames, and call `last` when all earlier frames are written.

        Another call replaces a `last` that still waits.
        """
        self._output, self._last = _Output.ENDED, last
        # The frames of this turn come before the queued ones, and both before the last bytes.
        self._cork.flush(self)
        if self._queue is None:
            self._write_last()

    def discard(self) -> None:
        """Discard all frames that wait, and new ones."""
        self._output, self._queue, self._last = _Output.ENDED, None, None

    def _write_last(self) -> None:
        last, self._last = self._last, None
        if last is not None:
            last()


def writer_type(calls: Calls) -> type[SocketWriter]:
    """The class of the writers whose frames `calls` write."""

    class Writer(SocketWriter, calls.Outlet):  # type: ignore[name-defined, misc]
        __slots__ = (
            "_cork",
            "_is_full",
            "_last",
            "_limits",
            "_output",
            "_queue",
            "overflow",
            "tally",
        )

    return Writer
