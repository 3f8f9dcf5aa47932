"""Documents and their events, in the form in which the server handles them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["Base", "Document", "Event", "Removed", "Updated"]


@dataclass(frozen=True, slots=True)
class Document:
    """One document at one revision.

    Attributes:
        sid: `ET` and 32 hexadecimal digits.
        unique_name: None if it has none.
        revision: increases with every write.
        data: the JSON object as compact UTF-8; passed through the server without parsing.
        created_ms, updated_ms: milliseconds since the epoch.
        expires_ms: milliseconds since the epoch; None if it never expires.
        created_by, updated_by: an identity, or `system`.
    """

    sid: str
    unique_name: str | None
    revision: int
    data: bytes
    created_ms: int
    updated_ms: int
    expires_ms: int | None
    created_by: str
    updated_by: str


@dataclass(frozen=True, slots=True)
class Base:
    """Data that a delta begins from; `note` is called with whether the delta was worth sending."""

    data: bytes
    note: Callable[[bool], None]


@dataclass(slots=True)
class Event:
    """Event that is published when a write commits.

    Attributes:
        previous: the revision before this one; a receiver at another revision has missed an event.
        at_ms: time of the write, in milliseconds since the epoch.
        by: identity that wrote, or `system`.
        trace: W3C `traceparent` of the write, None if not traced; never sent to clients.
    """

    sid: str
    unique_name: str | None
    revision: int
    previous: int
    at_ms: int
    by: str
    trace: str | None = field(default=None, compare=False, kw_only=True)
    _frames: dict[Callable[[Event], bytes], bytes] = field(
        default_factory=dict, repr=False, compare=False, kw_only=True
    )

    def encoded(self, encode: Callable[[Event], bytes]) -> bytes:
        """Return `encode(self)`; computed once per `encode` and shared by all subscribers."""
        frame = self._frames.get(encode)
        if frame is None:
            frame = self._frames[encode] = encode(self)
        return frame


@dataclass(slots=True)
class Updated(Event):
    """The document has new data or a new expiry; `data` and `expires_ms` as in `Document`.

    Attributes:
        base: the data at `previous`, from which a delta begins; None if the server lacks it.
        has_delta: True once a delta was computed and is worth sending.
    """

    data: bytes
    expires_ms: int | None
    base: Base | None = field(default=None, repr=False, compare=False, kw_only=True)
    has_delta: bool = field(default=False, repr=False, compare=False, kw_only=True)


@dataclass(slots=True)
class Removed(Event):
    """The document was removed; `expired` is True if its time to live ran out."""

    expired: bool
