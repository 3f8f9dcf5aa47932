"""The routes of WebSockets, and the interface of the protocols behind them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from syncline_server.observability.metrics import Tally

from .oversized_message import OversizedMessage

if TYPE_CHECKING:
    from .socket import Socket

__all__ = ["WebSocketRoute", "MessageHandler"]


class MessageHandler(Protocol):
    """A protocol over one socket. No method may block."""

    def on_message(self, message: str | bytes) -> None:
        """Receive a whole message: a text message as str, a binary message as bytes."""

    def on_oversized(self, message: OversizedMessage) -> None:
        """Refuse a message above the size limit, of which only the beginning was kept."""

    def on_congestion(self) -> None:
        """The socket is full or closing: send by `SocketWriter.send` and `send_event` only."""

    def on_relief(self) -> None:
        """The socket is free again: frames may go to the cork or to `SocketWriter.write`."""

    def on_slow(self) -> None:
        """The client has read nothing for `Settings.slow_reader_timeout`."""

    def on_end(self) -> None:
        """The connection has ended: nothing more is received or sent. Called once."""


@dataclass(frozen=True, slots=True)
class WebSocketRoute:
    """A path at which WebSockets are opened.

    Attributes:
        make: makes the message handler of a new socket.
        subprotocol: a client that offers only other sub-protocols is refused; None ignores offers.
        tally: counts the traffic of this route.
        skip: skips messages that the message handler would ignore, at the beginning of what was
            received; returns their number and the rest. None if nothing can be skipped.
        is_paced: True if the handshake checks the rate of new connections; False if the message
            handler does.
    """

    make: Callable[[Socket], MessageHandler]
    subprotocol: str | None = None
    tally: Tally = field(default_factory=Tally)
    skip: Callable[[bytes], tuple[int, bytes]] | None = None
    is_paced: bool = True
