"""Reads the confirmations of clients without the event loop's transports.

An SDK of the vendor confirms each event, and the server ignores that. By the transport, a
confirmation costs more than its event. So while a client sends nothing but confirmations, its
transport is paused, and `ReplyReader`, in C, reads from the duplicate. It is readable for the event
loop as a whole, not for each socket.

Anything else ends that: other bytes, a close, an error, a pause of reading, and each ping, so that
its answer is seen. The transport reads on then, from the byte behind the last confirmation. It
also reads everything where there is no duplicate or no extension.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ClassVar, Protocol

from syncline_server.pubsub.outlets import Calls
from syncline_server.pubsub.plain_outlets import Outlet

from .message_reader import MessageReader
from .states import OPEN, Pause
from .writer import SocketWriter

__all__ = ["ReplyReader", "ReplySkipping", "reply_reader"]


class ReplySocket(Protocol):
    """A socket for which replies are read."""

    def end_replies(self, count: int, data: bytes) -> None:
        """The reader has read `count` replies, and `data` behind them. It reads no more."""


class ReplyReader(Protocol):
    """The class of the C extension, whose stub documents it."""

    def begin(self, outlet: Outlet, socket: ReplySocket, allowance: int) -> bool: ...
    def end(self, outlet: Outlet) -> int: ...
    def read(self) -> None: ...
    def fileno(self) -> int: ...


def reply_reader(calls: Calls) -> ReplyReader | None:
    """A reader that the running event loop calls; None where the outlets of `calls` have none."""
    make = getattr(calls, "ReplyReader", None)
    if make is None:
        return None
    reader: ReplyReader = make()
    asyncio.get_running_loop().add_reader(reader.fileno(), reader.read)
    return reader


class ReplySkipping(MessageReader):
    """The reading half of a socket, which skips confirmations.

    Attributes:
        reply_reader: reads for all sockets of the process; None to read by the transports alone.
        writer: the writing half of the socket.
    """

    reply_reader: ClassVar[ReplyReader | None]

    writer: SocketWriter

    __slots__ = ("_heard", "_is_reading_replies", "_skip", "writer")

    def __init__(self) -> None:
        super().__init__()
        # True if anything was received since the last ping.
        self._heard = True
        # As in `WebSocketRoute`; None until the client has authenticated.
        self._skip: Callable[[bytes], tuple[int, bytes]] | None = None
        # True while `reply_reader` reads, and the transport does not.
        self._is_reading_replies = False

    def data_received(self, data: bytes) -> None:
        self._heard = True  # any byte counts as an answer to a ping
        # Skip only whole messages that begin here: nothing may be left of an earlier one.
        if (
            self._skip is not None
            and self._parser is None
            and self._oversized is None
            and not self._header_part
            and self.state is OPEN
        ):
            count, data = self._skip(data)
            # They count against the rate of frames all the same.
            self._allowance -= count
            if self._allowance <= 0:
                self._check_rate()
            if not data:
                # Of nothing, nothing was skipped: this is no sign of a client that confirms.
                return self._read_replies() if count else None
        self._read(data)

    def end_replies(self, count: int, data: bytes) -> None:
        """As in `ReplySocket`."""
        self._is_reading_replies = False
        self._transport.resume_reading()
        self._allowance -= count
        # Without data too: the rate is checked there.
        self.data_received(data)

    def pause_reading(self, reason: Pause) -> None:
        self._read_by_transport()
        super().pause_reading(reason)

    def resume_reading(self, reason: Pause) -> None:
        # Two must never read, whatever ended which pause.
        self._read_by_transport()
        super().resume_reading(reason)

    def _read_replies(self) -> None:
        """Let `reply_reader` read, after confirmations and nothing else."""
        reader = self.reply_reader
        # A pause is due to other messages, or to the rate: the transport reads after it.
        if reader is not None and not self._pauses and self.state is OPEN:
            self._is_reading_replies = reader.begin(self.writer, self, self._allowance)
            if self._is_reading_replies:
                self._transport.pause_reading()

    def _read_by_transport(self) -> None:
        """Let the transport read on; safe to repeat."""
        if self._is_reading_replies:
            self._is_reading_replies = False
            assert self.reply_reader is not None
            self._allowance -= self.reply_reader.end(self.writer)
            self._transport.resume_reading()
