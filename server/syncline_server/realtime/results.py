"""The replies of a session to commands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from syncline_protocol.commands import Command, Patch, Set
from syncline_protocol.documents import Document
from syncline_protocol.errors import Code, Refusal
from syncline_server.storage.results import Written

__all__ = ["Answer", "Fetched", "Opened", "Result", "Unsubscribed", "oversized", "tells_data"]


@dataclass(frozen=True, slots=True)
class Opened:
    """The reply to `Open`; `known` if the client has this revision already."""

    document: Document
    created: bool
    known: bool


@dataclass(frozen=True, slots=True)
class Fetched:
    """The reply to `Get`."""

    document: Document


@dataclass(frozen=True, slots=True)
class Unsubscribed:
    """The reply to `Unsubscribe`."""


Result = Opened | Fetched | Written | Unsubscribed

Answer = Callable[[Result | Refusal], None]
"""Receives the reply to a command; must not block."""


def oversized(size: int, limit: int) -> Refusal:
    """The refusal of a request that is larger than a message may be; sizes in bytes."""
    return Refusal(
        Code.TOO_LARGE, f"The request has {size} bytes; at most {limit} are allowed in a message."
    )


def tells_data(command: Command, written: Written) -> bool:
    """True if the client has the data of this revision, from its request or from the reply."""
    match command:
        case Set(data=data):
            return data is not None and not written.repeated
        case Patch():
            return written.document.data != b"" and not written.repeated
    return False
