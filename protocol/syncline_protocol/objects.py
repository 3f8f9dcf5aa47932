"""What objects of every type share: the types, the header, and the events.

A type is one row of `TYPES`. Code that handles all objects takes an `ObjectType`, and never names
one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, Self

from . import deltas

__all__ = [
    "DOCUMENT",
    "LIST",
    "MAP",
    "NO_BASE",
    "STREAM",
    "SYSTEM",
    "TYPES",
    "Base",
    "DeltaState",
    "Event",
    "ExpiryChanged",
    "Header",
    "NameAndExpiry",
    "ObjectType",
    "Removed",
    "type_of_sid",
]

SYSTEM = "system"
"""Identity of requests made with the account's credentials, and of the server itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectType:
    """A type of object.

    Attributes:
        name: singular, as events and messages name it.
        plural: as URLs and keys in Redis name it.
        prefix: the two letters that begin a SID.
        has_items: True for a collection, whose items change one by one.
        has_permissions: True if an identity's rights can be stored for one object.
        has_messages: True if messages are published on it, which are not stored.
    """

    name: str
    plural: str
    prefix: str
    has_items: bool
    has_permissions: bool
    has_messages: bool = False


DOCUMENT = ObjectType(
    name="document", plural="documents", prefix="ET", has_items=False, has_permissions=True
)

LIST = ObjectType(name="list", plural="lists", prefix="ES", has_items=True, has_permissions=True)

MAP = ObjectType(name="map", plural="maps", prefix="MP", has_items=True, has_permissions=True)

STREAM = ObjectType(
    name="stream",
    plural="streams",
    prefix="TO",
    has_items=False,
    has_permissions=False,
    has_messages=True,
)

TYPES = (DOCUMENT, LIST, MAP, STREAM)

_BY_PREFIX = {each.prefix: each for each in TYPES}


def type_of_sid(sid: str) -> ObjectType:
    """The type of the object with this SID.

    Raises:
        KeyError: the SID is not that of an object.
    """
    return _BY_PREFIX[sid[:2]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What is known of an object, whatever its type.

    Attributes:
        sid: the prefix of its type and 32 hexadecimal digits.
        unique_name: unique among the objects of its type and service; None if it has none.
        revision: increases with every write.
        created_ms, updated_ms: milliseconds since the epoch.
        expires_ms: milliseconds since the epoch; None if it never expires.
        created_by, updated_by: an identity, or `system`.
    """

    sid: str
    unique_name: str | None
    revision: int
    created_ms: int
    updated_ms: int
    expires_ms: int | None
    created_by: str
    updated_by: str

    @property
    def delta_data(self) -> bytes | None:
        """The data from which the next event's delta can begin; None for types without deltas."""
        return None


class NameAndExpiry(Protocol):
    """The part of a header that events repeat; `Header` has it too."""

    @property
    def unique_name(self) -> str | None: ...
    @property
    def revision(self) -> int: ...
    @property
    def expires_ms(self) -> int | None: ...


@dataclass(slots=True)
class Base:
    """Data that a delta begins from.

    Attributes:
        record_outcome: called with True if the delta was worth sending, else with False.
        revision: the revision that has the data.
    """

    data: bytes
    record_outcome: Callable[[bool], None]
    revision: int = 0
    _is_compared: bool = field(default=False, init=False, repr=False)
    _delta: deltas.Delta | None = field(default=None, init=False, repr=False)

    def delta_to(self, data: bytes) -> deltas.Delta | None:
        """The delta from here to the data of the event; None if it is not worth sending.

        Computed once, for the event and all parts of it that are encoded apart.
        """
        if not self._is_compared:
            self._is_compared = True
            self._delta = deltas.between(self.data, data)
            self.record_outcome(self._delta is not None)
        return self._delta


class DeltaState(NamedTuple):
    """What a change leaves, of an object or of one of its items, for the next delta to begin from.

    Attributes:
        item: key of the item; None for the object as a whole.
        data: None if it was removed.
        base: the revision that the delta to this state must begin from; None for any earlier one,
            `NO_BASE` for none.
    """

    item: str | None
    revision: int
    data: bytes | None
    base: int | None


NO_BASE = -1
"""As `DeltaState.base`: the state is always sent as a whole."""


@dataclass(slots=True, kw_only=True)
class Event:
    """Event that is published when a write commits.

    Attributes:
        previous: the revision before this one; a receiver at another revision has missed an event.
        at_ms: time of the write, in milliseconds since the epoch.
        by: identity that wrote, or `system`.
        trace: W3C `traceparent` of the write, None if not traced; never sent to clients.
        base: the data at `previous`, from which a delta begins; None if the server lacks it.
        has_delta: True once a delta was computed and is worth sending.
    """

    sid: str
    unique_name: str | None
    revision: int
    previous: int
    at_ms: int
    by: str
    trace: str | None = field(default=None, compare=False)
    base: Base | None = field(default=None, repr=False, compare=False)
    has_delta: bool = field(default=False, repr=False, compare=False)
    _frames: dict[Callable[[Any], bytes], bytes] = field(
        default_factory=dict, repr=False, compare=False
    )

    @classmethod
    def of(cls, header: Header, previous: int, **others: Any) -> Self:
        """The event that brings subscribers at revision `previous` to the state of this header.

        Args:
            others: attributes of this kind of event, or other values for those of the header.
        """
        given: dict[str, Any] = {
            "sid": header.sid,
            "unique_name": header.unique_name,
            "revision": header.revision,
            "previous": previous,
            "at_ms": header.updated_ms,
            "by": header.updated_by,
        }
        return cls(**given | others)

    @property
    def conflation_key(self) -> Hashable:
        """A newer event replaces a waiting one with the same key; None if it replaces none."""
        return None

    @property
    def is_stored(self) -> bool:
        """True if the event moves the object to its revision; False if it only passes by."""
        return True

    @property
    def mark(self) -> Hashable:
        """Identifies the write among those of its object; the reply to the write names it too."""
        return self.revision

    @property
    def keys(self) -> Iterable[str] | None:
        """Keys of the items that the event is about; None if it is about the object as a whole."""
        return None

    @property
    def replayable(self) -> int:
        """Changes that the store can report again after the event was dropped; 0 for none."""
        return 0

    @property
    def removes_item(self) -> bool:
        """True if it reports the removal of an item, and nothing else."""
        return False

    @property
    def resets(self) -> bool:
        """True if the receiver must read the object again: earlier events are of no use."""
        return False

    def since(self, revision: int) -> Event | None:
        """The event for a receiver that has all up to `revision`; None if nothing is left of it."""
        return self

    def narrowed(self, has: Callable[[str], bool]) -> Event | None:
        """The event with those items whose keys `has` allows; None if nothing is left of it."""
        return self

    @property
    def revisions(self) -> Iterable[tuple[Hashable, int]]:
        """What was written, an object or items of one, each with its revision after the write."""
        return ((self.conflation_key, self.revision),)

    def after_loss(self) -> Event | None:
        """What subscribers need in its place if the store has lost writes that they received.

        None if this event says all: it names the whole state, or the end.
        """
        return None

    @property
    def header(self) -> NameAndExpiry | None:
        """The object's name and expiry after the write; None if the event does not name both."""
        return None

    @property
    def delta_states(self) -> Iterable[DeltaState] | None:
        """What the event leaves for later deltas to begin from; None if it ends what is known."""
        return None

    def attach_base(self, item: str | None, base: Base) -> None:
        """Let a delta begin from `base`; `item` as in `DeltaState`. Call before it is encoded."""
        self.base = base

    def has_delta_for(self, revision: int) -> bool:
        """True if a client that has all up to `revision` may receive a delta."""
        return self.base is not None and self.previous == revision

    def encoded(self, encode: Callable[[Any], bytes]) -> bytes:
        """Return `encode(self)`; computed once per `encode` and shared by all subscribers."""
        frame = self._frames.get(encode)
        if frame is None:
            frame = self._frames[encode] = encode(self)
        return frame


@dataclass(slots=True, kw_only=True)
class Removed(Event):
    """The object was removed; `expired` is True if its time to live ran out."""

    expired: bool


@dataclass(slots=True, kw_only=True)
class ExpiryChanged(Event):
    """A list, map or stream expires at another time.

    Attributes:
        expires_ms: milliseconds since the epoch; None if it never expires.
    """

    expires_ms: int | None

    @property
    def conflation_key(self) -> Hashable:
        """The object: only its newest expiry counts."""
        return (self.sid, None)

    @property
    def delta_states(self) -> Iterable[DeltaState]:
        """As in `Event`: all data stays as it is."""
        return ()

    @property
    def replayable(self) -> int:
        """As in `Event`: a replay of the items ends with the expiry."""
        return int(type_of_sid(self.sid).has_items)
