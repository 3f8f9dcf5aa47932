"""The replies of a session to commands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from syncline_protocol.commands import Command, Write
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.objects import Header
from syncline_server.objects.contended_writes import WriteResult
from syncline_server.storage.items import ItemPage, Replay

__all__ = ["Answer", "Fetched", "Opened", "Result", "Unsubscribed", "oversized", "tells_data"]

_State = TypeVar("_State", bound=Header)
_Read = TypeVar("_Read")


@dataclass(frozen=True, slots=True)
class Opened(Generic[_State]):
    """The reply to `Open`.

    Attributes:
        state: the object, as `Operations.open` and `Operations.get` of its type return it.
        known: True if the client has this revision already.
        items: the first page of a collection, read in one step with `state`; None if none was asked
            for.
        replay: what changed in a collection since the client's revision, with the items of its part
            alone; None if the client named no revision, or nothing has changed. With `more_since`
            these are the first changes, and the session sends the others as events.
    """

    state: _State
    created: bool
    known: bool
    items: ItemPage | None = None
    replay: Replay | None = None


@dataclass(frozen=True, slots=True)
class Fetched(Generic[_Read]):
    """The reply to `Get`, and to the commands of a type that read.

    Attributes:
        in_turn: True if the client can write now without a rival.
    """

    state: _Read
    in_turn: bool = False


@dataclass(frozen=True, slots=True)
class Unsubscribed:
    """The reply to `Unsubscribe`."""


Result = Opened[Any] | Fetched[Any] | Unsubscribed | WriteResult

Answer = Callable[[Result | Refusal], None]
"""Receives the reply to a command; must not block."""


def oversized(size: int, limit: int) -> Refusal:
    """The refusal of a request that is larger than a message may be; sizes in bytes."""
    return Refusal(
        Code.TOO_LARGE, f"The request has {size} bytes; at most {limit} are allowed in a message."
    )


def tells_data(command: Command, written: WriteResult) -> bool:
    """True if the client has the data of this revision, from its request or from the reply."""
    data = written.header.delta_data or b""
    return isinstance(command, Write) and not written.repeated and command.tells_data(data)
