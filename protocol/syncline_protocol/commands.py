"""Commands that a client sends to a session, the same for every wire protocol.

All values are already checked (`fields`, `jsondata`). `data` is compact JSON within the limits.
Revisions are integers. `ttl` is in seconds: 0 means "never expires", None means "keep the expiry".
`document` is a SID or a unique name. `op` is an operation id (docs/protocol.md, section 3), None if
the client sent none.
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
    """Whether `Open` fetches a document, creates it, or does whichever applies."""

    OPEN_OR_CREATE = "open_or_create"
    OPEN_EXISTING = "open_existing"
    CREATE_NEW = "create_new"


@dataclass(frozen=True, slots=True)
class Open:
    """Fetch or create a document and subscribe; `document` None creates one without a name."""

    document: str | None
    mode: Mode = Mode.OPEN_OR_CREATE
    data: bytes = b"{}"
    ttl: int | None = None
    revision: int | None = None
    op: str | None = None


@dataclass(frozen=True, slots=True)
class Create:
    """Create a document without subscribing; `document` is its unique name, None for none."""

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
    """Replace the data, the expiry, or both; `data` None keeps the data."""

    document: str
    data: bytes | None
    ttl: int | None = None
    if_match: int | None = None
    op: str | None = None


@dataclass(frozen=True, slots=True)
class MergePatch:
    """A JSON merge patch (RFC 7396)."""

    merge: dict[str, Any]


@dataclass(frozen=True, slots=True)
class OperationsPatch:
    """A JSON patch (RFC 6902); the shape of the operations is checked when they are applied."""

    operations: list[Any]


@dataclass(frozen=True, slots=True)
class Increment:
    """Numbers to add, by JSON pointer (RFC 6901)."""

    by: dict[str, int | float]


PatchBody = MergePatch | OperationsPatch | Increment


@dataclass(frozen=True, slots=True)
class Patch:
    """Change the newest data by a rule; without `if_match` the server retries on a conflict."""

    document: str
    body: PatchBody
    ttl: int | None = None
    if_match: int | None = None
    op: str | None = None


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove the document."""

    document: str
    if_match: int | None = None
    op: str | None = None


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """End the subscription of the session that sends the command."""

    document: str


Command = Open | Create | Get | Set | Patch | Remove | Unsubscribe
