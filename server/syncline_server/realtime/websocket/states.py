"""The states of a socket, and the reasons for which it reads nothing."""

from __future__ import annotations

from enum import Enum, IntFlag, auto

__all__ = ["OPEN", "Pause", "SocketState"]


class SocketState(Enum):
    """A socket goes through these states in this order, and may skip some.

    `CONNECTING` → `OPEN`: the handshake was accepted.
    `CONNECTING` → `CLOSED`: the handshake was refused, or the connection was lost before it.
    `OPEN` → `CLOSING`: `Socket.close` was called, or the client broke the WebSocket protocol.
    `OPEN`, `CLOSING` → `CLOSED`: the client's close frame has come, or the connection was lost.
    """

    CONNECTING = auto()
    """Nothing was received yet."""

    OPEN = auto()
    """Messages are passed on, and frames are sent."""

    CLOSING = auto()
    """Messages and new frames are discarded. The frames in the send queue are still sent, and then
    a close frame. The answer to it is awaited for `CLOSE_TIMEOUT`."""

    CLOSED = auto()
    """Nothing is received or sent any more."""


OPEN = SocketState.OPEN
"""For tests that are made for each message: a look-up in the enum takes longer than the rest."""


class Pause(IntFlag):
    """Why a socket reads nothing. It reads again when no reason is left.

    An integer, because it is tested for each message.
    """

    NONE = 0

    AUTHENTICATION = auto()
    """A token is being checked: requests would run under the old rights."""

    LARGE_MESSAGE = auto()
    """A large message waits for a slice of the event loop: later messages must not overtake it."""

    IN_FLIGHT = auto()
    """`Settings.max_in_flight` requests are under way."""

    PAGES = auto()
    """`Settings.max_pages` pages of items are being read."""

    LEAVING = auto()
    """The connection closes when the requests under way are answered."""

    RATE = auto()
    """The client sent `Settings.connection_rate` frames in less than a second."""

    CONGESTION = auto()
    """The client does not read: replies to its requests would grow the send queue (promise 5)."""
