"""WebSocket parsers, lent to sockets while something comes.

Between messages a parser holds nothing of a connection, and most connections are between messages
most of the time: so a few parsers, of some kilobytes each, serve very many sockets.
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

__all__ = ["Parsers", "is_exceeded", "plain_messages", "unmask"]

logger = logging.getLogger("syncline.socket")

_PLAIN = {0x81: Opcode.TEXT, 0x82: Opcode.BINARY}

IDLE_LIMIT = 64
"""Parsers that are kept for the next who needs one."""


class Parsers:
    """Those of the server's side that take messages up to one size."""

    def __init__(
        self, message_limit: int, *, inflates: bool = False, truncates: bool = False
    ) -> None:
        """
        Args:
            message_limit: bytes in a message, inflated; more is closed with 1009.
            inflates: True for clients whose messages may be compressed.
            truncates: True to parse a compressed message that is larger inflated, instead of
                closing, as its beginning (`is_exceeded`).
        """
        self.message_limit = message_limit
        self._inflates = inflates
        self._truncates = truncates
        self._idle: list[Protocol] = []

    def lend(self) -> Protocol:
        """One that has seen nothing, as after the handshake."""
        if self._idle:
            return self._idle.pop()
        parser = Protocol(Side.SERVER, max_size=self.message_limit, logger=logger)
        if self._inflates:
            parser.extensions = [_Inflation(self.message_limit, self._truncates)]
        return parser

    def take_back(self, parser: Protocol) -> None:
        """Only one that stands between two messages of an open connection."""
        if len(self._idle) < IDLE_LIMIT and parser.max_message_size == self.message_limit:
            self._idle.append(parser)


def is_exceeded(parser: Protocol) -> bool:
    """True once a message was larger inflated than the limit, and was truncated.

    Its last frame held what was within the limit. The parser must not be used again.
    """
    return any(isinstance(each, _Inflation) and each.is_exceeded for each in parser.extensions)


class _Inflation(PerMessageDeflate):
    """Both sides begin each message with an empty window."""

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
    """What a client masked (RFC 6455, section 5.3)."""
    return apply_mask(data, mask)


def plain_messages(data: bytes, limit: int) -> tuple[list[tuple[Opcode, bytes]], bytes]:
    """The messages that data begins with, each whole in one masked frame, and what is left.

    Nearly all are such, and cost a parser far more than all else that is done for some. What is in
    any way else stays for a parser to judge: control frames, fragments, extensions, odd lengths,
    messages of more than `limit` bytes.
    """
    messages: list[tuple[Opcode, bytes]] = []
    start, size = 0, len(data)
    while size - start > 6 and (opcode := _PLAIN.get(data[start])) is not None:
        length, head = data[start + 1] - 0x80, 6
        if length == 126 and size - start > 8:
            length, head = data[start + 2] << 8 | data[start + 3], 8
        # The shortest form of a length, or none that is known here.
        if not (0 < length < 126 if head == 6 else 126 <= length <= limit):
            break
        body = start + head
        if body + length > size:
            break
        messages.append((opcode, apply_mask(data[body : body + length], data[body - 4 : body])))
        start = body + length
    return messages, data[start:]
