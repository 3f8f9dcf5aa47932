"""WebSocket parsers, lent to sockets while something comes.

Between messages a parser holds nothing of a connection, and most connections are between messages
most of the time: so a few parsers, of some kilobytes each, serve very many sockets.
"""

from __future__ import annotations

import logging

from websockets.frames import Frame
from websockets.protocol import Protocol, Side

__all__ = ["Parsers", "size_on_the_wire"]

logger = logging.getLogger("syncline.socket")

IDLE_LIMIT = 64
"""Parsers that are kept for the next who needs one."""


class Parsers:
    """Those of the server's side that take messages up to one size."""

    def __init__(self, message_limit: int) -> None:
        """`message_limit`: bytes in a message; more is closed with 1009."""
        self._message_limit = message_limit
        self._idle: list[Protocol] = []

    def lend(self) -> Protocol:
        """One that has seen nothing, as after the handshake."""
        if self._idle:
            return self._idle.pop()
        return Protocol(Side.SERVER, max_size=self._message_limit, logger=logger)

    def take_back(self, parser: Protocol) -> None:
        """Only one that stands between two messages of an open connection."""
        if len(self._idle) < IDLE_LIMIT and parser.max_message_size == self._message_limit:
            self._idle.append(parser)


def size_on_the_wire(frame: Frame) -> int:
    """Bytes that a masked frame took (RFC 6455, 5.2), if its length was written as short as can be.

    One that was written longer only seems to leave something unparsed.
    """
    size = len(frame.data)
    return size + (6 if size < 126 else 8 if size < 65_536 else 14)
