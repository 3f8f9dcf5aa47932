"""Turns that identities let go by, which earns them no more turns for a while."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

__all__ = ["LAPSES_LIMIT", "LAPSE_MEMORY", "Lapses"]

LAPSES_LIMIT = 2
"""Lapsed turns within `LAPSE_MEMORY` after which an identity earns no turn."""

LAPSE_MEMORY = 60.0
"""Seconds from an identity's last lapse until its lapses are forgotten."""

STALL = 0.25
"""Seconds in which an identity's lapses count once: their machine may have paused."""

LATE = 1.0
"""Seconds within which a client that missed its turn can come back without a lapse."""

POINTS = 4
"""Points of a lapse. Each write that succeeds in a contest for the same object takes off one."""

IDENTITIES_LIMIT = 10_000
"""Identities remembered; beyond, the one whose last lapse is oldest is forgotten."""


@dataclass(slots=True)
class _Record:
    """An identity's lapses: points by object, and the last turn that it missed."""

    points: dict[str, int] = field(default_factory=dict)
    lapsed_at: float = float("-inf")
    missed: tuple[str, int] | None = None


class Lapses:
    """The lapses of one process, by identity: a new connection does not shed them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._records: OrderedDict[Hashable, _Record] = OrderedDict()  # the oldest lapse first

    def __len__(self) -> int:
        return len(self._records)

    def add(self, identity: Hashable, sid: str, given: int) -> None:
        """The identity let a turn at an object go by, for which others waited.

        `given` is the revision with which it could have tried.
        """
        record = self._record(identity) or _Record()
        now = self._clock()
        if now - record.lapsed_at >= STALL:
            record.points[sid] = record.points.get(sid, 0) + POINTS
            record.lapsed_at = now
            record.missed = (sid, given)
            self._records[identity] = record
            self._records.move_to_end(identity)
            if len(self._records) > IDENTITIES_LIMIT:
                self._records.popitem(last=False)

    def come_late(self, identity: Hashable, sid: str, if_match: int) -> None:
        """The identity tries to write: perhaps what it should have tried in its turn."""
        record = self._record(identity)
        if record is not None and record.missed == (sid, if_match):
            record.missed = None
            if self._clock() - record.lapsed_at < LATE:
                self._forgive(identity, sid, POINTS)

    def forgive(self, identity: Hashable, sid: str) -> None:
        """The identity has written an object in a contest.

        That makes up for lapses at the same object alone: a contest can be staged at another.
        """
        self._forgive(identity, sid, 1)

    def exhausted(self, identity: Hashable) -> bool:
        """True if the identity earns no turn now."""
        record = self._record(identity)
        return record is not None and sum(record.points.values()) >= LAPSES_LIMIT * POINTS

    def _forgive(self, identity: Hashable, sid: str, points: int) -> None:
        record = self._record(identity)
        if record is None or sid not in record.points:
            return
        record.points[sid] -= points
        if record.points[sid] <= 0:
            del record.points[sid]
        if not record.points:
            del self._records[identity]

    def _record(self, identity: Hashable) -> _Record | None:
        record = self._records.get(identity)
        if record is not None and self._clock() - record.lapsed_at >= LAPSE_MEMORY:
            del self._records[identity]
            return None
        return record
