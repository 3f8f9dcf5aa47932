"""Commands that a client sends to a session, the same for every wire protocol.

This file has the commands that objects of any type have. Those of one type are in the file of that
type, such as `documents`.

All values are already checked (`fields`, `jsondata`). Revisions are integers. `ttl` is in seconds:
0 means "never expires". `op` is an operation id (docs/protocol.md, section 3), None if the client
sent none.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from enum import Enum
from typing import ClassVar

from .objects import DOCUMENT, ObjectType
from .sids import object_key

__all__ = [
    "Command",
    "Create",
    "Get",
    "Mode",
    "Open",
    "Remove",
    "SetTtl",
    "Unsubscribe",
    "Write",
]


class Mode(Enum):
    """Whether `Open` fetches an object, creates it, or does whichever applies."""

    OPEN_OR_CREATE = "open_or_create"
    OPEN_EXISTING = "open_existing"
    CREATE_NEW = "create_new"


@dataclass(frozen=True, slots=True)
class Command:
    """What every command has.

    Attributes:
        verb: names the command in logs and traces.
        address: SID or unique name of the object; None for a new object without a name.
        type: type of the object; a unique name is unique among the objects of its type.
        key: identifies the object within its service, as `sids.object_key`; None for a new one.
    """

    verb: ClassVar[str]
    address: str | None
    _: KW_ONLY
    type: ObjectType = DOCUMENT
    key: str | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        key = None if self.address is None else object_key(self.type, self.address)
        object.__setattr__(self, "key", key)


@dataclass(frozen=True, slots=True)
class Open(Command):
    """Fetch or create an object and subscribe. `data` is that of a new object.

    Attributes:
        deltas: True if the client takes deltas of this object, where its connection takes any.
    """

    verb = "open"
    _: KW_ONLY
    mode: Mode = Mode.OPEN_OR_CREATE
    data: bytes = b"{}"
    ttl: int | None = None
    revision: int | None = None
    op: str | None = None
    deltas: bool = True


@dataclass(frozen=True, slots=True)
class Create(Command):
    """Create an object without subscribing; `address` is its unique name, None for none."""

    verb = "create"
    data: bytes = b"{}"
    _: KW_ONLY
    ttl: int | None = None
    op: str | None = None


@dataclass(frozen=True, slots=True)
class Get(Command):
    """Read the newest state.

    Attributes:
        in_turn: True to read it once the client can write without a rival.
    """

    verb = "get"
    address: str
    _: KW_ONLY
    in_turn: bool = False
    key: str = field(init=False, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Unsubscribe(Command):
    """End the subscription of the session that sends the command."""

    verb = "unsubscribe"
    address: str


@dataclass(frozen=True, slots=True)
class Write(Command):
    """A command that changes an object, under the condition that it is at revision `if_match`.

    Attributes:
        conflates: True if the client needs only the newest state of the object, not each event,
            while the command waits for its turn.
    """

    address: str
    _: KW_ONLY
    if_match: int | None = None
    op: str | None = None
    conflates: bool = False
    key: str = field(init=False, repr=False, compare=False)

    @property
    def removes(self) -> bool:
        """True if nothing is left of the object or item that the command names."""
        return False

    @property
    def item(self) -> str | None:
        """Key of the item that the command changes; None if it changes the object as a whole."""
        return None

    def tells_data(self, reply_data: bytes) -> bool:
        """True if the client has the data that it wrote, from the command or from the reply."""
        return False


@dataclass(frozen=True, slots=True)
class SetTtl(Write):
    """Replace the expiry alone."""

    verb = "set"
    ttl: int


@dataclass(frozen=True, slots=True)
class Remove(Write):
    """Remove the object."""

    verb = "remove"

    @property
    def removes(self) -> bool:
        """As in `Write`."""
        return True
