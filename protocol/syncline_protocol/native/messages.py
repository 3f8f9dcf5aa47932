"""Messages of the native protocol `syncline.v1`, and the codes with which it closes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from syncline_protocol.commands import Command
from syncline_protocol.errors import Refusal

__all__ = [
    "FINAL_CLOSE_CODES",
    "ID_LIMIT",
    "SUBPROTOCOL",
    "Authenticate",
    "Close",
    "Limits",
    "Ping",
    "ProtocolViolation",
    "Request",
]

SUBPROTOCOL = "syncline.v1"

ID_LIMIT = 2**53
"""Request ids are below this limit, so that JavaScript can represent them as numbers."""


class Close(IntEnum):
    """Close codes (section 8)."""

    GOING_AWAY = 4000
    TOKEN_EXPIRED = 4001
    TOO_SLOW = 4003
    NOT_AUTHENTICATED_IN_TIME = 4004
    PROTOCOL_VIOLATION = 4500
    TOKEN_REFUSED = 4501


FINAL_CLOSE_CODES = range(4500, 5000)
"""After these a client does not connect again (rule C4)."""


class ProtocolViolation(Exception):
    """A message to which no reply is possible; the server closes with `Close.PROTOCOL_VIOLATION`.

    The text is the reason in the close frame.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a request may hold at most.

    Attributes:
        data, item, message: bytes in the data of a document, of an item, of a stream's message.
        values: commas and opening brackets in the whole request.
    """

    data: int
    item: int
    message: int
    values: int


@dataclass(frozen=True, slots=True)
class Authenticate:
    """The first request, or a fresh token later; `deltas` only has an effect in the first."""

    token: str
    deltas: bool = False


@dataclass(frozen=True, slots=True)
class Ping:
    """Sign of life; the server replies at once."""


# Not frozen, as `Members`.
@dataclass(slots=True)
class Request:
    """One message of a client.

    Attributes:
        id: id that the reply must repeat.
        command: the command; a `Refusal` if the request has an id but is invalid.
    """

    id: int
    command: Command | Authenticate | Ping | Refusal
