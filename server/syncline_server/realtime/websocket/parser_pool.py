"""A pool of WebSocket parsers, which sockets borrow while they receive a message.

Between two messages a parser has no state of a connection, and most connections are between two
messages most of the time. So a few parsers, of some kilobytes each, serve very many sockets.
"""

from __future__ import annotations

import logging
import zlib

from websockets.exceptions import PayloadTooBig
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side

try:
    from websockets.speedups import apply_mask
except ImportError:
    from websockets.utils import apply_mask

__all__ = ["ParserPool", "is_exceeded", "plain_messages", "unmask"]

logger = logging.getLogger("syncline.socket")

_PLAIN = {0x81: Opcode.TEXT, 0x82: Opcode.BINARY}

IDLE_LIMIT = 64
"""Unused parsers that a pool keeps, at most."""


class ParserPool:
    """Server-side parsers with one limit on the size of messages."""

    def __init__(
        self, message_limit: int, *, inflates: bool = False, truncates: bool = False
    ) -> None:
        """
        Args:
            message_limit: bytes in a message, inflated; the parser closes with 1009 above it.
            inflates: True for clients whose messages may be compressed.
            truncates: True to cut off a compressed message that is larger when inflated, instead of
                closing (`is_exceeded`).
        """
        self.message_limit = message_limit
        self._inflates = inflates
        self._truncates = truncates
        self._idle: list[Protocol] = []

    def borrow(self) -> Protocol:
        """A parser in the state after the handshake."""
        if self._idle:
            return self._idle.pop()
        parser = Protocol(Side.SERVER, max_size=self.message_limit, logger=logger)
        if self._inflates:
            parser.extensions = [_Inflation(self.message_limit, self._truncates)]
        return parser

    def give_back(self, parser: Protocol) -> None:
        """Give back a parser, which must be between two messages of an open connection."""
        # `Socket.allow_full_messages` may have changed the pool since this parser was borrowed.
        if len(self._idle) < IDLE_LIMIT and parser.max_message_size == self.message_limit:
            self._idle.append(parser)


def is_exceeded(parser: Protocol) -> bool:
    """True once an inflated message was above the limit, and was cut off.

    The last frame has the part within the limit. The parser must not be used again.
    """
    return any(isinstance(each, _Inflation) and each.is_exceeded for each in parser.extensions)


class _Inflation(PerMessageDeflate):
    """permessage-deflate without context takeover: each message begins with an empty window."""

    def __init__(self, limit: int, truncates: bool) -> None:
        super().__init__(
            remote_no_context_takeover=True,
            local_no_context_takeover=True,
            remote_max_window_bits=zlib.MAX_WBITS,
            local_max_window_bits=zlib.MAX_WBITS,
        )
        self.is_exceeded = False
        self._limit = limit
        self._truncates = truncates

    def decode(self, frame: Frame, *, max_size: int | None = None) -> Frame:
        try:
            return super().decode(frame, max_size=max_size)
        except PayloadTooBig:
            if not self._truncates:
                raise
            self.is_exceeded = True
            begun = b""
            if frame.opcode is not Opcode.CONT:
                inflate = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
                begun = inflate.decompress(bytes(frame.data), self._limit)
            return Frame(frame.opcode, begun, frame.fin)


def unmask(data: bytes, mask: bytes) -> bytes:
    """Undo the mask of a client's payload (RFC 6455, section 5.3)."""
    return apply_mask(data, mask)


def plain_messages(data: bytes, limit: int) -> tuple[list[tuple[Opcode, bytes]], bytes]:
    """Read the plain messages at the beginning of `data`; returns them and the rest.

    A plain message is whole, in one masked frame. Nearly all are, and a parser can cost far more
    than everything else that is done for a message. All other frames are left to a parser: control
    frames, fragments, extensions, odd lengths, and messages of more than `limit` bytes.
    """
    messages: list[tuple[Opcode, bytes]] = []
    start, size = 0, len(data)
    while size - start > 6 and (opcode := _PLAIN.get(data[start])) is not None:
        length, head = data[start + 1] - 0x80, 6
        if length == 126 and size - start > 8:
            length, head = data[start + 2] << 8 | data[start + 3], 8
        # Accept a length in its shortest form only; a parser judges the others.
        if not (0 < length < 126 if head == 6 else 126 <= length <= limit):
            break
        body = start + head
        if body + length > size:
            break
        messages.append((opcode, apply_mask(data[body : body + length], data[body - 4 : body])))
        start = body + length
    return messages, data[start:]
