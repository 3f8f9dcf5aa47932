"""What a connection to the server can do, whichever way it is made.

Requests and events are the native protocol's (docs/protocol.md, sections 3 and 5) on every
transport.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol, TypeVar

from .exceptions import SynclineError
from .snapshot import JsonObject

__all__ = ["EventHandler", "Interrupted", "Receive", "Transport"]

T = TypeVar("T")

Receive = Callable[[JsonObject], T]
"""Takes the `ok` of a reply. Called before any later event is handed on, so that what it
registers is there when the event comes; its result is the result of the request."""

EventHandler = Callable[[JsonObject], None]
"""Takes an event or a notice as the native protocol writes it."""


class Interrupted(Exception):
    """The transport ended before the reply; the request may be sent again with the same `op`."""


class Transport(Protocol):
    """One connection, from its making to its end.

    Attributes:
        name: `websocket` or `rest`.
        ordered: True if the reply to a write comes before the event that the write causes.
        ended: done when the connection has ended; its result is why.
        waits_for: what a request may be waiting for, for a person; None if nothing is known.
    """

    name: str
    ordered: bool
    ended: asyncio.Future[SynclineError]
    waits_for: str | None

    async def request(
        self, request: JsonObject, receive: Receive[T], late: Receive[None] | None = None
    ) -> T:
        """Send `request` (`do` and its members) and wait for the reply.

        `late`: takes the reply in the place of `receive` if it comes after the caller has given up.

        Raises:
            RequestError: the server refused it.
            Interrupted: the connection ended first.
        """

    async def close(self) -> None:
        """End the connection; pending requests are interrupted."""
