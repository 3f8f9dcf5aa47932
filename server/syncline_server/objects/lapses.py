"""Lapses: turns that an identity did not use. After too many it earns no turns for a while."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

__all__ = ["LAPSES_LIMIT", "LAPSE_MEMORY", "Lapses"]

LAPSES_LIMIT = 2
"""Lapses after which an identity earns no turn."""

LAPSE_MEMORY = 60.0
"""Seconds from an identity's last lapse until its lapses are forgotten."""

STALL = 0.25
"""Seconds within which several lapses of an identity count as one: its machine may have paused."""

LATE = 1.0
"""Seconds within which a client that missed its turn can still try and have the lapse removed."""

POINTS = 4
"""Points of a lapse. Each write that succeeds in a contest for the same object removes one."""

IDENTITIES_LIMIT = 10_000
"""Identities remembered; beyond that, the one whose last lapse is oldest is dropped."""


@dataclass(slots=True)
class _Record:
    """An identity's lapses.

    Attributes:
        points: by the object or item (`contests.subject`).
        lapsed_at: time of the last lapse.
        missed: object and revision of the last missed turn; None once the client came back.
    """

    points: dict[Hashable, int] = field(default_factory=dict)
    lapsed_at: float = float("-inf")
    missed: tuple[Hashable, int] | None = None


class Lapses:
    """The lapses in one process, by identity, so that a new connection does not erase them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._records: OrderedDict[Hashable, _Record] = OrderedDict()  # the oldest lapse first

    def __len__(self) -> int:
        return len(self._records)

    def add(self, identity: Hashable, subject: Hashable, given: int) -> None:
        """Record that the identity did not use a turn while others waited for one.

        `given` is the revision that its try should have named.
        """
        record = self._record(identity) or _Record()
        now = self._clock()
        if now - record.lapsed_at >= STALL:
            record.points[subject] = record.points.get(subject, 0) + POINTS
            record.lapsed_at = now
            record.missed = (subject, given)
            self._records[identity] = record
            self._records.move_to_end(identity)
            if len(self._records) > IDENTITIES_LIMIT:
                self._records.popitem(last=False)

    def come_late(self, identity: Hashable, subject: Hashable, if_match: int) -> None:
        """Remove the last lapse if this write is the missed try, at most `LATE` seconds later."""
        record = self._record(identity)
        if record is not None and record.missed == (subject, if_match):
            record.missed = None
            if self._clock() - record.lapsed_at < LATE:
                self._forgive(identity, subject, POINTS)

    def forgive(self, identity: Hashable, subject: Hashable) -> None:
        """Remove one point, because the identity has written the object in a contest.

        Only points of the same object: a client could stage a contest for an object of its own.
        """
        self._forgive(identity, subject, 1)

    def exhausted(self, identity: Hashable) -> bool:
        """True if the identity earns no turn now."""
        record = self._record(identity)
        return record is not None and sum(record.points.values()) >= LAPSES_LIMIT * POINTS

    def _forgive(self, identity: Hashable, subject: Hashable, points: int) -> None:
        record = self._record(identity)
        if record is None or subject not in record.points:
            return
        record.points[subject] -= points
        if record.points[subject] <= 0:
            del record.points[subject]
        if not record.points:
            del self._records[identity]

    def _record(self, identity: Hashable) -> _Record | None:
        record = self._records.get(identity)
        if record is not None and self._clock() - record.lapsed_at >= LAPSE_MEMORY:
            del self._records[identity]
            return None
        return record
