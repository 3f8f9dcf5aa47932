"""What is spoken over a socket, where, and in what frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from syncline_server.observability.metrics import Tally

from .oversized_message import OversizedMessage

if TYPE_CHECKING:
    from .socket import Socket

__all__ = ["Endpoint", "Wire"]


class Wire(Protocol):
    """What is spoken over a socket. Every method must not block."""

    def on_message(self, message: str | bytes) -> None:
        """Take a whole message: of a text frame as str, of a binary one as bytes."""

    def on_oversized(self, message: OversizedMessage) -> None:
        """Refuse a message above the limit, of which only the beginning is known."""

    def on_congestion(self) -> None:
        """Frames must go by `Socket.send` and `send_event`, which hold them back."""

    def on_relief(self) -> None:
        """Frames may be written by `Socket.write` again."""

    def on_slow(self) -> None:
        """The client has taken nothing of what waits for it for too long."""

    def on_end(self) -> None:
        """Nothing comes any more, and nothing can be sent. Called once."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What answers at a path.

    Attributes:
        make: the wire of a new socket.
        subprotocol: a client that offers others only is refused; None ignores what is offered.
        tally: counts what goes by this way.
        is_paced: False where the wire itself asks the door whether too many come at once.
    """

    make: Callable[[Socket], Wire]
    subprotocol: str | None = None
    tally: Tally = field(default_factory=Tally)
    is_paced: bool = True
