"""Delta bases: the newest data of each object or item that a client which reads deltas has open."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from syncline_protocol.deltas import SMALLEST_DATA
from syncline_protocol.objects import Base, DeltaState, Event
from syncline_server.observability.metrics import Limit
from syncline_server.observability.rate_limit import FixedWindow

__all__ = ["DeltaBases"]

LONGEST_PAUSE = 64
"""Events of an object between two attempts to make a delta, at most, while attempts fail."""

DELTA_SIZE_LIMIT = 131_072
"""Bytes of data above which no delta is made: the comparison would block the event loop."""

BYTES_PER_UNIT = 8
"""Bytes that a comparison gets through in about a microsecond."""

DELTA_RATE = 2**36
"""Bytes in a second that count as no limit."""


@dataclass(slots=True)
class _Newest:
    """The newest data of one object, and whether deltas of it are worth the work.

    Attributes:
        pause: events between two attempts to make a delta; 0 while attempts succeed.
        rest: events still to come before the next attempt.
    """

    revision: int = 0
    data: bytes = b""
    pause: int = 0
    rest: int = 0

    def is_due(self) -> bool:
        """Count an event; False if it goes without a delta, because the last attempts failed."""
        self.rest = max(0, self.rest - 1)
        return not self.rest

    def record_outcome(self, is_gain: bool) -> None:
        """Record the outcome of an attempt: `is_gain` if the delta was worth sending."""
        self.pause = self.rest = 0 if is_gain else min(2 * self.pause or 2, LONGEST_PAUSE)


_Key = tuple[str, str | None]
"""SID of an object, and the key of one of its items; None for the object itself."""


class DeltaBases:
    """The newest data of objects and items; above the limit, what was kept first is dropped."""

    def __init__(self, limit: int, limit_hits: Counter[Limit], rate: int = DELTA_RATE) -> None:
        """
        Args:
            limit: bytes of data in all; 0 keeps none.
            limit_hits: counts under `delta_memory` what was dropped at the limit, and under
                `delta_rate` the events that were sent without a delta at that limit.
            rate: bytes of data that are compared in a second, at most.
        """
        self._limit = limit
        self._limit_hits = limit_hits
        self._budget = FixedWindow(rate)
        self._spend: Callable[[int], bool] | None = None
        self._size = 0
        self._newest: OrderedDict[_Key, _Newest] = OrderedDict()
        # By SID, so that the cost to drop an object does not grow with the others.
        self._by_sid: dict[str, set[_Key]] = {}

    def limit_work(self, spend: Callable[[int], bool]) -> None:
        """Make deltas only while `spend` grants time in this turn of the loop.

        `spend` takes units of about a microsecond, and returns False if none are left.
        """
        self._spend = spend

    def remember_base(
        self, sid: str, revision: int, data: bytes, *, item: str | None = None
    ) -> None:
        """Keep the data, if it is newer and large enough for deltas to be a gain."""
        key = (sid, item)
        known = self._newest.get(key) or _Newest()
        if known.revision >= revision:
            return
        self._drop(key)
        if SMALLEST_DATA <= len(data) <= self._limit:
            known.revision, known.data = revision, data
            self._newest[key] = known
            self._by_sid.setdefault(sid, set()).add(key)
            self._size += len(data)
        while self._size > self._limit:
            self._limit_hits[Limit.DELTA_MEMORY] += 1
            self._drop(next(iter(self._newest)))

    def set_base(self, event: Event) -> None:
        """Set what the deltas of an event begin from, and keep its data for the next one."""
        states = event.delta_states
        if states is None:
            return self.drop(event.sid)
        for state in states:
            self._set_base(event, state)

    def drop(self, sid: str) -> None:
        """Drop the data of an object, and of its items."""
        for key in list(self._by_sid.get(sid, ())):
            self._drop(key)

    def _set_base(self, event: Event, state: DeltaState) -> None:
        if state.data is None:
            return self._drop((event.sid, state.item))
        known = self._newest.get((event.sid, state.item))
        if (
            known is not None
            and known.revision < state.revision
            and state.base in (None, known.revision)
            and known.is_due()
            and self._may_compare(len(state.data))
        ):
            base = Base(known.data, known.record_outcome, known.revision)
            event.attach_base(state.item, base)
        self.remember_base(event.sid, state.revision, state.data, item=state.item)

    def _drop(self, key: _Key) -> None:
        known = self._newest.pop(key, None)
        if known is not None:
            self._size -= len(known.data)
            keys = self._by_sid[key[0]]
            keys.discard(key)
            if not keys:
                del self._by_sid[key[0]]

    def _may_compare(self, size: int) -> bool:
        """True if there is time to make a delta of `size` bytes; else the event is sent whole."""
        # Take from `_budget` last: a delta that is not made must not use it up.
        if size > DELTA_SIZE_LIMIT or self._budget.left() < size:
            self._limit_hits[Limit.DELTA_RATE] += 1
            return False
        if self._spend is not None and not self._spend(size // BYTES_PER_UNIT + 1):
            return False
        self._budget.take(size)
        return True
