"""What deltas begin from: the newest data of each document that a reader of deltas has open."""

from __future__ import annotations

import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from syncline_protocol.deltas import SMALLEST_DATA
from syncline_protocol.documents import Base, Event, Updated

__all__ = ["Bases", "FixedWindow"]

LONGEST_PAUSE = 64
"""Events of a document from one attempt at a delta to the next, at most, while they are in vain."""


@dataclass(slots=True)
class _Newest:
    """The newest data of one document, and whether deltas of it are worth their making.

    Attributes:
        pause: how many events the attempts are apart; 0 while they succeed.
        rest: how many of them are still to come before the next attempt.
    """

    revision: int = 0
    data: bytes = b""
    pause: int = 0
    rest: int = 0

    def is_due(self) -> bool:
        """False for an event that is to go without a delta, because the last attempts failed."""
        self.rest = max(0, self.rest - 1)
        return not self.rest

    def note(self, is_gain: bool) -> None:
        """Take the outcome of an attempt."""
        self.pause = self.rest = 0 if is_gain else min(2 * self.pause or 2, LONGEST_PAUSE)


class FixedWindow:
    """So many bytes in each second."""

    def __init__(self, rate: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._ends_at = 0.0
        self._taken = 0

    def has(self, size: int) -> bool:
        """True if so many bytes are left in this second."""
        now = self._clock()
        if now >= self._ends_at:
            self._ends_at, self._taken = now + 1.0, 0
        return self._taken + size <= self._rate

    def take(self, size: int) -> None:
        """Count them."""
        self._taken += size


class Bases:
    """Data by document. Beyond the limit, what was noted longest ago is forgotten."""

    def __init__(
        self, limit: int, bounds: Counter[str], may_compare: Callable[[int], bool] | None = None
    ) -> None:
        """
        Args:
            limit: bytes of data in all; 0 keeps none.
            bounds: counts under `delta_memory` what was forgotten for it.
            may_compare: False where there is no time now to compare so many bytes: then the event
                goes without a delta.
        """
        self._may_compare = may_compare
        self._limit = limit
        self._bounds = bounds
        self._size = 0
        self._newest: OrderedDict[str, _Newest] = OrderedDict()

    def note(self, sid: str, revision: int, data: bytes) -> None:
        """Keep the data of a document, if it is newer and so large that a delta can be a gain."""
        known = self._newest.get(sid) or _Newest()
        if known.revision >= revision:
            return
        self.drop(sid)
        if SMALLEST_DATA <= len(data) <= self._limit:
            known.revision, known.data = revision, data
            self._newest[sid] = known
            self._size += len(data)
        while self._size > self._limit:
            self._bounds["delta_memory"] += 1
            self.drop(next(iter(self._newest)))

    def follow(self, event: Event) -> None:
        """Give an event its base, and keep its data for the next one."""
        if not isinstance(event, Updated):
            return self.drop(event.sid)
        known = self._newest.get(event.sid)
        if (
            known is not None
            and known.revision == event.previous
            and known.is_due()
            and (self._may_compare is None or self._may_compare(len(event.data)))
        ):
            event.base = Base(known.data, known.note)
        self.note(event.sid, event.revision, event.data)

    def drop(self, sid: str) -> None:
        """Keep nothing of a document."""
        known = self._newest.pop(sid, None)
        if known is not None:
            self._size -= len(known.data)
