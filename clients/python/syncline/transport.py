"""Interface of a transport: one connection to the server, over a WebSocket or REST.

On every transport, requests and events have the form of the native protocol (docs/protocol.md,
sections 3 and 5).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from .errors import SynclineError
from .header import JsonObject

__all__ = ["ClientEventHandler", "EventHandler", "Interrupted", "Limits", "Receive", "Transport"]

T = TypeVar("T")

Receive = Callable[[JsonObject], T]
"""Called with the `ok` of a reply, before any later event is delivered. What it registers is
therefore in place when the event comes. Its result is the result of the request."""

EventHandler = Callable[[JsonObject], None]
"""Called with an event or a notice in the form of the native protocol."""

ClientEventHandler = Callable[[JsonObject, bool], None]
"""As `EventHandler`; the second argument is True if the event may come before the reply to its
write. It depends on the transport that the event came on: the transport before may still deliver
events while a new one is in use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Maximum sizes in bytes of compact UTF-8 JSON; None if not known.

    Attributes:
        data: of the data of a document.
        item: of the data of an item.
        message: of the data of a message of a stream.
    """

    data: int | None = None
    item: int | None = None
    message: int | None = None


class Interrupted(Exception):
    """The transport ended before the reply; the request can be sent again with the same `op`."""


class Transport(Protocol):
    """One connection to the server; it does not reconnect.

    Attributes:
        name: `websocket` or `rest`.
        ended: done when the connection has ended; its result is the reason.
        limits: maximum sizes of data.
        waits_for: why requests get no reply, as text for an error message; None if not known.
    """

    name: str
    ended: asyncio.Future[SynclineError]
    limits: Limits
    waits_for: str | None

    async def request(
        self, request: JsonObject, receive: Receive[T], late: Receive[None] | None = None
    ) -> T:
        """Send `request` (`do` and its members) and wait for the reply.

        `late` is called instead of `receive` if the reply comes after the caller was cancelled.

        Raises:
            RequestError: the server refused the request.
            Interrupted: the connection ended before the reply.
        """

    async def close(self) -> None:
        """Close the connection; pending requests raise `Interrupted`."""
