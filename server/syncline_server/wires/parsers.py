"""WebSocket parsers, lent to sockets while something comes.

Between messages a parser holds nothing of a connection, and most connections are between messages
most of the time: so a few parsers, of some kilobytes each, serve very many sockets.
"""

from __future__ import annotations

import logging
import zlib
from collections import deque

from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame
from websockets.protocol import Protocol, Side

__all__ = ["Parsers", "size_on_the_wire"]

logger = logging.getLogger("syncline.socket")

IDLE_LIMIT = 64
"""Parsers that are kept for the next who needs one."""


class Parsers:
    """Those of the server's side that take messages up to one size."""

    def __init__(self, message_limit: int, *, inflates: bool = False) -> None:
        """
        Args:
            message_limit: bytes in a message, inflated; more is closed with 1009.
            inflates: True for clients whose messages may be compressed.
        """
        self._message_limit = message_limit
        self._inflates = inflates
        self._idle: list[Protocol] = []

    def lend(self) -> Protocol:
        """One that has seen nothing, as after the handshake."""
        if self._idle:
            return self._idle.pop()
        parser = Protocol(Side.SERVER, max_size=self._message_limit, logger=logger)
        parser.extensions = [_Inflation()] if self._inflates else []
        return parser

    def take_back(self, parser: Protocol) -> None:
        """Only one that stands between two messages of an open connection."""
        if len(self._idle) < IDLE_LIMIT and parser.max_message_size == self._message_limit:
            self._idle.append(parser)


class _Inflation(PerMessageDeflate):
    """Both sides begin each message anew. It notes how long frames were before."""

    def __init__(self) -> None:
        super().__init__(
            remote_no_context_takeover=True,
            local_no_context_takeover=True,
            remote_max_window_bits=zlib.MAX_WBITS,
            local_max_window_bits=zlib.MAX_WBITS,
        )
        self.sizes: deque[int] = deque()

    def decode(self, frame: Frame, *, max_size: int | None = None) -> Frame:
        self.sizes.append(len(frame.data))
        return super().decode(frame, max_size=max_size)


def size_on_the_wire(parser: Protocol, frame: Frame) -> int:
    """Bytes that the next frame of a parser took (RFC 6455, 5.2), masked as it must be.

    One whose length was not written as short as can be only seems to leave something unparsed.
    """
    size = len(frame.data)
    for extension in parser.extensions:
        if isinstance(extension, _Inflation):
            size = extension.sizes.popleft()
    return size + (6 if size < 126 else 8 if size < 65_536 else 14)
