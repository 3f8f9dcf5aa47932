"""Topics: the open objects of one process, each with its subscribers."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Protocol

from syncline_protocol import revisions
from syncline_protocol.objects import SYSTEM, Event, NameAndExpiry, Removed, type_of_sid
from syncline_protocol.sids import object_key
from syncline_server.observability.metrics import Tally

from .conflated import Conflated
from .cork import Outlet
from .parts import Parts

__all__ = ["Conflating", "Format", "Subscriber", "Topic"]

RECENT_LIMIT = 64
"""Changes of one object that are remembered, to find out whether a failover lost them."""


class Subscriber(Protocol):
    """A client that has objects open."""

    @property
    def reader(self) -> str | None:
        """The identity that needs the right to read; None if the client needs no right."""

    def on_event(self, event: Event) -> None:
        """Receive an event. Must not block. Events of one object come in revision order.

        Not called for changes while the subscriber is on the fast path (`Hub.join_fast_path`), nor
        for changes of items outside its part (`Hub.narrow`).
        """

    def on_revoked(self, sid: str) -> None:
        """The right to read an object was revoked: end the subscription. Must not block."""


class Conflating(Subscriber, Protocol):
    """A subscriber that can do with the newest state."""

    def on_newest(self, event: Event) -> bool:
        """Receive the newest event, as `on_event`, in conflation (`Hub.conflate`).

        Returns:
            False to end it: `on_event` is called for each event from here on.
        """


@dataclass(frozen=True, slots=True, eq=False)
class Format:
    """How a protocol encodes events, in frames that all its sockets share.

    Attributes:
        encode: encodes an event with all its data.
        encode_delta: encodes an event as a delta, for clients that have the data of `base`; None if
            the format has no deltas.
        tally: counts the events and deltas that are sent.
        without_deltas: the same without deltas, for objects that a client opened without them; None
            if the format has none.
    """

    encode: Callable[[Event], bytes]
    encode_delta: Callable[[Event], bytes] | None
    tally: Tally
    without_deltas: Format | None = None

    def of(self, deltas: bool) -> Format:
        """The format for an object of which the client takes deltas, or none."""
        return self if deltas else self.without_deltas or self


@dataclass(slots=True, eq=False, kw_only=True)
class Topic:
    """One open object.

    Attributes:
        slow: the subscribers that are not on the fast path; each gets `on_event`.
        parts: the subscribers to parts of the object, which are in neither `slow` nor `fast`; None
            before the first of them.
        conflated: the subscribers that receive only the newest state, some times a second, which
            are in neither `slow` nor `fast`; None before the first of them.
        fast: the subscribers on the fast path, by format, each with its outlet.
        first: the oldest revision at which a subscriber has read the object; 0 before.
        revision: the newest revision that was delivered as an event; 0 before the first.
        recent: what was delivered lately of an object whose events do not name its whole state: an
            item and its revision each. None before the first of them.
        acknowledged: the newest revision that a reply to a subscriber named.
        unique_name, expires_ms: of the newest state in any event or reply (`learn`).
        name_key: `object_key` of the unique name, which all sessions share; None without a name.
        learned: the revision of that state.
        live_since: loop time since when no event is missed; None before.
        rights_changed_at: loop time of the last change of rights: a check that was made earlier may
            be out of date.
        delta_readers: how many subscribers take deltas of this object.
        lingering: drops the topic some time after its last subscriber left; None before.
    """

    service_sid: str
    sid: str
    subscribers: set[Subscriber] = field(default_factory=set)
    slow: set[Subscriber] = field(default_factory=set)
    fast: dict[Format, dict[Subscriber, Outlet]] = field(default_factory=dict)
    parts: Parts | None = None
    conflated: Conflated | None = None
    first: int = 0
    revision: int = 0
    recent: deque[tuple[Hashable, int]] | None = None
    acknowledged: int = 0
    unique_name: str | None = None
    name_key: str | None = None
    expires_ms: int | None = None
    learned: int = 0
    live_since: float | None = None
    rights_changed_at: float = float("-inf")
    delta_readers: int = 0
    lingering: asyncio.TimerHandle | None = None

    @property
    def newest_known(self) -> int:
        """The newest revision that any subscriber may have."""
        return max(self.revision, self.acknowledged)

    @property
    def delivered(self) -> int:
        """The revision up to which every subscriber has all events."""
        return self.revision or self.first

    def record(self, event: Event) -> None:
        """Remember what an event names, for a failover that loses it."""
        if self.recent is None:
            self.recent = deque(maxlen=RECENT_LIMIT)
        self.recent.extend(event.revisions)

    def learn(self, state: NameAndExpiry) -> None:
        """Remember the name and the expiry, for `make_removal`."""
        self.first = min(self.first or state.revision, state.revision)
        if state.revision >= self.learned:
            self.learned = state.revision
            name = state.unique_name
            if name != self.unique_name:
                of_type = type_of_sid(self.sid)
                self.name_key = None if name is None else object_key(of_type, name)
            self.unique_name, self.expires_ms = name, state.expires_ms

    def make_removal(self, now_ms: int) -> Removed:
        """The last event, for an object that was found to be gone.

        The time and the author of the removal are not known: date it now, by the system.
        """
        last = self.newest_known
        return Removed(
            sid=self.sid,
            unique_name=self.unique_name,
            revision=revisions.beyond(last, now_ms),
            previous=last,
            at_ms=now_ms,
            by=SYSTEM,
            expired=self.expires_ms is not None and self.expires_ms <= now_ms,
        )
