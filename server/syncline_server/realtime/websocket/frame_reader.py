"""Reads the frames of one WebSocket, and puts messages together.

The Sans-I/O parser of `websockets` reads all frames but two kinds. Plain messages, which are nearly
all, need no parser (`plain_messages`). Messages above the limit are read and discarded
(`OversizedMessage`): the header of each frame shows whether it belongs to one.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from typing import ClassVar, cast

from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol

from syncline_server.config.settings import Settings
from syncline_server.observability.metrics import Limit, Meters

from .oversized_message import FrameHeader, OversizedMessage, read_header
from .parser_pool import ParserPool, is_exceeded, plain_messages
from .states import OPEN, SocketState

__all__ = ["FrameReader", "Message"]

Message = str | bytes | OversizedMessage
"""A text message, a binary message, or the beginning of either if it is above the limit."""

_PROTOCOL_ERROR, _INVALID_DATA, _TOO_BIG = 1002, 1007, 1009
_DATA = (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)


class FrameReader(asyncio.Protocol):
    """Reads frames, and puts messages together.

    Attributes:
        auth_parsers, message_parsers: for clients that have not authenticated, and for those that
            have. Of each pair, the second is for messages that may be compressed.
        state, deflates: set by `Socket`; `deflates` if messages may be compressed either way.
    """

    settings: ClassVar[Settings]
    meters: ClassVar[Meters]
    auth_parsers: ClassVar[tuple[ParserPool, ParserPool]]
    message_parsers: ClassVar[tuple[ParserPool, ParserPool]]

    __slots__ = (
        "_frame_left",
        "_header_part",
        "_is_compressed",
        "_opcode",
        "_oversized",
        "_parser",
        "_parsers",
        "_partial",
        "deflates",
        "state",
    )

    def __init__(self) -> None:
        # Borrowed from `_parsers` while a frame, a message or the closing handshake is incomplete.
        self._parsers = self.auth_parsers[False]
        self._parser: Protocol | None = None
        # The position in the stream: bytes of the current frame that are still to come, and the
        # received part of an incomplete header.
        self._frame_left = 0
        self._header_part = b""
        # The received part of a message in several frames. Its bytes, not a list of its frames: any
        # number of frames could be empty.
        self._opcode = Opcode.TEXT
        self._partial: bytearray | None = None
        self._is_compressed = False
        self._oversized: OversizedMessage | None = None
        self.state = SocketState.CONNECTING
        self.deflates = False

    @abstractmethod
    def close(self, code: int, reason: str = "") -> None:
        """Send the queued frames, then close; safe to repeat. Later messages are not read."""

    @abstractmethod
    def _take_message(self, message: Message) -> None:
        """Receive a whole message."""

    @abstractmethod
    def _count_frame(self) -> None:
        """Count a frame that does not end a message."""

    @abstractmethod
    def _send_parser_output(self) -> None:
        """Send the output of the parser: pongs, and its part of the closing handshake."""

    def _read(self, data: bytes) -> None:
        """Read the bytes that were received."""
        if self._header_part:
            data, self._header_part = self._header_part + data, b""
        if self._parser is None and self._oversized is None:
            messages, data = plain_messages(data, self._parsers.message_limit)
            for opcode, message in messages:
                self._deliver(opcode, message)
        unread = memoryview(data)  # so that the rest is not copied for each of many small frames
        while unread:
            unread = self._read_frame(unread)

    def _read_frame(self, data: memoryview) -> memoryview:
        """Read at most one frame, or a part of one; returns the bytes after it."""
        if self.state is not OPEN and self._oversized is None:
            self._parse(data)  # all of it: the parser discards bytes after a failure
            return data[:0]
        if not self._frame_left:
            header = read_header(data)
            if header is None:
                self._header_part = bytes(data)
                return data[:0]
            self._frame_left = header.size + header.length
            if header.is_data:
                if header.opcode != Opcode.CONT:
                    self._is_compressed = header.is_compressed
                if self._belongs_to_oversized(header):
                    data = self._begin_discarding(header, data)
        part, rest = data[: self._frame_left], data[self._frame_left :]
        self._frame_left -= len(part)
        if self._oversized is not None and self._oversized.is_in_frame:
            self._discard(self._oversized, part)
        else:
            self._parse(part)
        return rest

    def _parse(self, data: memoryview) -> None:
        parser = self._borrow()
        parser.receive_data(cast(bytes, data))  # it copies from any buffer
        for frame in parser.events_received():
            assert isinstance(frame, Frame)
            self._add_frame(frame)
        self._send_parser_output()
        # Give the parser back between two messages only: it keeps state within one.
        is_between = not self._frame_left and self._partial is None
        if is_between and self.state is OPEN and self._parser is parser:
            self._parser = None
            if not is_exceeded(parser):
                self._parsers.give_back(parser)

    def _belongs_to_oversized(self, header: FrameHeader) -> bool:
        """True for a data frame that is not parsed but discarded.

        The parser, not this, refuses the frame where that closes the connection: if the client has
        not authenticated, and if the frame is out of order or compressed without agreement.
        """
        if self._oversized is not None:
            return True
        if self._parsers is not self.message_parsers[self.deflates]:
            return False
        begun = 0 if self._partial is None else len(self._partial)
        is_regular = (header.opcode == Opcode.CONT) == (self._partial is not None)
        is_regular = is_regular and (self.deflates or not header.is_compressed)
        return is_regular and begun + header.length > self._parsers.message_limit

    def _begin_discarding(self, header: FrameHeader, data: memoryview) -> memoryview:
        """Begin to discard a frame; returns the bytes after its header."""
        message = self._oversized
        if message is not None and header.opcode != Opcode.CONT:
            self._fail(_PROTOCOL_ERROR, "expected a continuation frame")
            return data
        if message is None:
            if header.opcode != Opcode.CONT:
                self._opcode = Opcode(header.opcode)
            message = self._begin_oversized(b"")
        if message.size + header.length > self.settings.oversized_limit:
            self._fail_oversized()
            return data
        message.begin_frame(bytes(data[header.size - 4 : header.size]), is_final=header.is_final)
        self._frame_left = header.length
        return data[header.size :]

    def _begin_oversized(self, begun: bytes) -> OversizedMessage:
        """Discard a message from here on; `begun` is the last part of it that was parsed."""
        begun = bytes(self._partial or b"") + begun
        self._partial = None
        self._parser = None  # not given back: it still waits for the rest of the message
        self._oversized = OversizedMessage(
            is_text=self._opcode is Opcode.TEXT, begun=begun, is_compressed=self._is_compressed
        )
        return self._oversized

    def _discard(self, message: OversizedMessage, data: memoryview) -> None:
        message.take(data)
        if not self._frame_left:
            message.is_in_frame = False
            if message.is_final:
                self._oversized = None
                self._take_message(message)
            else:
                self._count_frame()

    def _fail(self, code: int, reason: str) -> None:
        """Close the connection, and read no more messages."""
        self._oversized = None
        self._borrow().fail(code, reason)
        self._send_parser_output()

    def _fail_oversized(self) -> None:
        self.meters.limit_hits[Limit.OVERSIZED_LIMIT] += 1
        limit = self.settings.oversized_limit
        self._fail(_TOO_BIG, f"the message has more than {limit} bytes")

    def _borrow(self) -> Protocol:
        if self._parser is None:
            self._parser = self._parsers.borrow()
        return self._parser

    def _add_frame(self, frame: Frame) -> None:
        """Put a message together from its frames; the parser answers control frames."""
        if self.state is not OPEN:
            return
        if frame.opcode not in _DATA:
            return self._count_frame()
        if frame.opcode is not Opcode.CONT:
            self._opcode = frame.opcode
        data = bytes(frame.data)
        if self._parser is not None and is_exceeded(self._parser):
            message = self._begin_oversized(data)
            if message.size > self.settings.oversized_limit:
                return self._fail_oversized()
            if frame.fin:
                self._oversized = None
                self._take_message(message)
            return None
        if not frame.fin or self._partial is not None:
            self._partial = self._partial or bytearray()
            self._partial += data
            if not frame.fin:
                return self._count_frame()
            data, self._partial = bytes(self._partial), None
        self._deliver(self._opcode, data)

    def _deliver(self, opcode: Opcode, data: bytes) -> None:
        """Decode a message, and pass it to `_take_message`."""
        if self.state is not OPEN:
            return
        if opcode is Opcode.BINARY:
            message: str | bytes = data
        else:
            try:
                message = data.decode()
            except UnicodeDecodeError:
                return self.close(_INVALID_DATA, "a text message must be UTF-8")
        self._take_message(message)
