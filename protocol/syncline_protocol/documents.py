"""Documents and their events, in the form in which the server handles them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from .objects import Event, Header

__all__ = ["Base", "Document", "Updated"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Document(Header):
    """One document at one revision.

    Attributes:
        data: the JSON object as compact UTF-8; passed through the server without parsing.
    """

    data: bytes


@dataclass(frozen=True, slots=True)
class Base:
    """Data that a delta begins from; `note` is called with whether the delta was worth sending."""

    data: bytes
    note: Callable[[bool], None]


@dataclass(slots=True, kw_only=True)
class Updated(Event):
    """The document has new data or a new expiry; `data` and `expires_ms` as in `Document`.

    Attributes:
        base: the data at `previous`, from which a delta begins; None if the server lacks it.
        has_delta: True once a delta was computed and is worth sending.
    """

    data: bytes
    expires_ms: int | None
    base: Base | None = field(default=None, repr=False, compare=False)
    has_delta: bool = field(default=False, repr=False, compare=False)

    @property
    def conflation_key(self) -> str:
        """The document: its newest state replaces every older one."""
        return self.sid
