"""Documents, their events and their commands, in the form in which the server handles them."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

from .commands import Write
from .objects import DeltaState, Event, Header

__all__ = [
    "Document",
    "Increment",
    "MergePatch",
    "OperationsPatch",
    "Patch",
    "PatchBody",
    "Set",
    "Updated",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Document(Header):
    """One document at one revision.

    Attributes:
        data: the JSON object as compact UTF-8; passed through the server without parsing.
    """

    data: bytes

    @property
    def delta_data(self) -> bytes:
        """As in `Header`."""
        return self.data


@dataclass(slots=True, kw_only=True)
class Updated(Event):
    """The document has new data or a new expiry; `data` and `expires_ms` as in `Document`."""

    data: bytes
    expires_ms: int | None

    @property
    def conflation_key(self) -> str:
        """The document: its newest state replaces every older one."""
        return self.sid

    @property
    def header(self) -> Self:
        """The event names all that a header has."""
        return self

    @property
    def delta_states(self) -> tuple[DeltaState]:
        """As in `Event`: a delta begins from the revision before."""
        return (DeltaState(None, self.revision, self.data, self.previous),)


@dataclass(frozen=True, slots=True)
class Set(Write):
    """Replace the data, and the expiry unless `ttl` is None."""

    verb = "set"
    data: bytes
    _: KW_ONLY
    ttl: int | None = None

    def tells_data(self, reply_data: bytes) -> bool:
        """The command has the data."""
        return True


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
class Patch(Write):
    """Change the newest data by a rule; without `if_match` the server retries on a conflict."""

    verb = "patch"
    body: PatchBody
    _: KW_ONLY
    ttl: int | None = None

    def tells_data(self, reply_data: bytes) -> bool:
        """The reply has the data, unless the document has changed since."""
        return reply_data != b""
