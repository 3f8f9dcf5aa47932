"""What a client may ask of a session, whichever wire it speaks.

Values are checked already (`fields`, `jsondata`): `data` is compact JSON within the limits,
revisions are integers, `ttl` is seconds with 0 for "never expires" and None for "leave it as it
is". `document` is a SID or a unique name. `op` is an operation id (docs/protocol.md, section 3),
None if the client made none.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

__all__ = [
    "Command",
    "Create",
    "Get",
    "Increment",
    "MergePatch",
    "Mode",
    "Open",
    "OperationsPatch",
    "Patch",
    "PatchBody",
    "Remove",
    "Set",
    "Unsubscribe",
]


class Mode(Enum):
    """What `Open` does about a document that is, or is not, there."""

    OPEN_OR_CREATE = "open_or_create"
    OPEN_EXISTING = "open_existing"
    CREATE_NEW = "create_new"


@dataclass(frozen=True, slots=True)
class Open:
    """Fetch or create; `document` None creates one without a name."""

    document: str | None
    mode: Mode = Mode.OPEN_OR_CREATE
    data: bytes = b"{}"
    ttl: int | None = None
    revision: int | None = None
    op: str | None = None


@dataclass(frozen=True, slots=True)
class Create:
    """Make a document without opening it; `document` is its unique name, None for none."""

    document: str | None
    data: bytes = b"{}"
    ttl: int | None = None
    op: str | None = None


@dataclass(frozen=True, slots=True)
class Get:
    """Read the newest state."""

    document: str


@dataclass(frozen=True, slots=True)
class Set:
    """Replace the data, the expiry, or both; `data` None leaves the data as it is."""

    document: str
    data: bytes | None
    ttl: int | None = None
    if_match: int | None = None
    op: str | None = None


@dataclass(frozen=True, slots=True)
class MergePatch:
    """RFC 7396."""

    merge: dict[str, Any]


@dataclass(frozen=True, slots=True)
class OperationsPatch:
    """RFC 6902; the operations are checked for their shape when they are applied."""

    operations: list[Any]


@dataclass(frozen=True, slots=True)
class Increment:
    """JSON pointers (RFC 6901) and the numbers to add there."""

    by: dict[str, int | float]


PatchBody = MergePatch | OperationsPatch | Increment


@dataclass(frozen=True, slots=True)
class Patch:
    """Change the newest data by a rule; retried on the server when another writer was quicker."""

    document: str
    body: PatchBody
    ttl: int | None = None
    if_match: int | None = None
    op: str | None = None


@dataclass(frozen=True, slots=True)
class Remove:
    """End the document."""

    document: str
    if_match: int | None = None
    op: str | None = None


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """End the subscription of the session that asks."""

    document: str


Command = Open | Create | Get | Set | Patch | Remove | Unsubscribe
