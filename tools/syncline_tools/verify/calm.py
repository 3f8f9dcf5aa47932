"""When a client was disturbed: by a fault, a command, a break, or a pause of this process."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise

from .evidence import Evidence
from .faults import COMMAND
from .plan import FaultKind
from .records import Connected, Outcome

__all__ = ["Calm"]

Span = tuple[float, float]

FAULT_AFTERMATH = 0.5
"""Seconds after a fault in which what it delayed still arrives."""

COMMAND_AFTERMATH = 10.0
"""Seconds after a command in which what it began may still go on: a failover, a restart."""

SLOW = 1.0
"""Seconds without a turn of the event loop that make all clients slow readers."""

SILENCE = 1.0
"""Seconds without any acknowledgement, in a run with commands, that count as an outage."""

STARVED = 0.5
"""The part of a span for which this process was late, beyond which it cannot judge what came late:
the server may have waited for the same CPU."""

REOPENING = 0.02
"""Seconds, for each document that a client has open, that it may take to open them again."""


class Calm:
    """Of all clients of a run."""

    def __init__(self, evidence: Evidence) -> None:
        self._end = evidence.ended.at if evidence.ended else 0.0
        commands = [
            (fault.at, fault.at + fault.seconds)
            for fault in evidence.faults
            if fault.fault == COMMAND
        ]
        stalls = [(each.at - each.seconds, each.at) for each in evidence.stalls]
        slow = [span for span in stalls if span[1] - span[0] >= SLOW]
        outages = _silences(evidence) if commands else []
        lasting = [(start, end + COMMAND_AFTERMATH) for start, end in commands]
        self._stalls = stalls
        self._disturbed: dict[str, _Spans] = {}
        self._excused: dict[str, _Spans] = {}
        for client in (*evidence.wires, *evidence.items.wires):
            faults = _faults(evidence, client)
            breaks = _breaks(evidence, client)
            self._disturbed[client] = _Spans([*faults, *breaks, *lasting, *slow])
            self._excused[client] = _Spans([*faults, *breaks, *commands, *outages])
        self._open = _count_open(evidence)

    def undisturbed(self, client: str, since: float, until: float) -> bool:
        """True if nothing hit the client from then to then, and it read in time."""
        return self._disturbed[client].first_within(since, until) is None

    def due(self, client: str, since: float, within: float) -> float | None:
        """The moment when the client has to have what it could have had at `since`.

        That is `within` seconds later, or after what disturbed it meanwhile. Time in which this
        process itself was late does not count. None if the moment is after the end of the run.
        """
        start, allowed = since, within
        while (hit := self._excused[client].first_within(start, start + allowed)) is not None:
            start, allowed = hit[1], within + REOPENING * self._open[client]
        due, later = start, start + allowed
        while later > due:
            # What it was late for makes the span longer, in which it may have been late again.
            due, later = later, start + allowed + self._late_within(since, later)
        return due if due < self._end else None

    def is_starved(self, since: float, until: float) -> bool:
        """True if this process ran too late from then to then to judge what came late."""
        return self._late_within(since, until) > STARVED * (until - since)

    def _late_within(self, since: float, until: float) -> float:
        """Seconds from then to then for which this process was late."""
        return sum(
            min(end, until) - max(begin, since)
            for begin, end in self._stalls
            if end > since and begin < until
        )


class _Spans:
    """Spans of time, in order; those that overlap are one."""

    def __init__(self, spans: Iterable[Span]) -> None:
        self._spans: list[Span] = []
        for start, end in sorted(spans):
            if self._spans and start <= self._spans[-1][1]:
                self._spans[-1] = (self._spans[-1][0], max(end, self._spans[-1][1]))
            else:
                self._spans.append((start, end))
        self._ends = [end for _, end in self._spans]

    def first_within(self, since: float, until: float) -> Span | None:
        """The first that ends after `since` and begins before `until`."""
        place = bisect_right(self._ends, since)
        if place < len(self._spans) and self._spans[place][0] < until:
            return self._spans[place]
        return None


def _faults(evidence: Evidence, client: str) -> list[Span]:
    """A duplicate disturbs nothing: it is sent on a connection of its own."""
    return [
        (fault.at, fault.at + fault.seconds + FAULT_AFTERMATH)
        for fault in evidence.faults
        if fault.client == client and fault.fault != FaultKind.DUPLICATE
    ]


def _breaks(evidence: Evidence, client: str) -> list[Span]:
    """Where it had no connection."""
    spans, lost = [], None
    for each in evidence.connections[client]:
        if isinstance(each, Connected):
            # A connection that comes without the end of the one before is a break too.
            spans.append((each.at if lost is None else lost, each.at))
            lost = None
        elif lost is None:
            lost = each.at
    return spans if lost is None else [*spans, (lost, float("inf"))]


def _silences(evidence: Evidence) -> list[Span]:
    times = sorted(
        write.answered.at
        for writes in evidence.writes.values()
        for write in writes
        if write.answered is not None and write.outcome is Outcome.ACKNOWLEDGED
    )
    if not times:
        times = sorted(
            write.acknowledged_at
            for write in evidence.items.writes.values()
            if write.is_acknowledged
        )
    return [(before, after) for before, after in pairwise(times) if after - before > SILENCE]


def _count_open(evidence: Evidence) -> dict[str, int]:
    counts: dict[str, int] = defaultdict(int)
    for _, client in evidence.seen:
        counts[client] += 1
    return counts
