"""A document and the events of its life, as the server and its wires pass them around."""

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
        revision: its own, greater than every earlier one.
        data: the JSON object as compact UTF-8; never parsed on its way through the server.
        created_ms, updated_ms: milliseconds since the epoch.
        expires_ms: the same; None if it never expires.
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
    """The data of one revision; `note` takes whether a delta from it was a gain."""

    data: bytes
    note: Callable[[bool], None]


@dataclass(slots=True)
class Event:
    """What is published when a write commits.

    Attributes:
        previous: the revision before this one; a receiver that holds another has missed something.
        at_ms: when it was written, in milliseconds since the epoch.
        by: the identity that wrote, or `system`.
        trace: where the server traces the write, its W3C `traceparent`; no client is told.
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
        """This event as `encode` writes it, made once and shared by all who ask."""
        frame = self._frames.get(encode)
        if frame is None:
            frame = self._frames[encode] = encode(self)
        return frame


@dataclass(slots=True)
class Updated(Event):
    """The document has new data or a new expiry; `data` and `expires_ms` as in `Document`.

    Attributes:
        base: what a delta of it begins from, the data at `previous`; None where there is none.
        has_delta: True once a delta was made, and was a gain.
    """

    data: bytes
    expires_ms: int | None
    base: Base | None = field(default=None, repr=False, compare=False, kw_only=True)
    has_delta: bool = field(default=False, repr=False, compare=False, kw_only=True)


@dataclass(slots=True)
class Removed(Event):
    """The document is gone; `expired` tells a time to live that ran out from a removal."""

    expired: bool
