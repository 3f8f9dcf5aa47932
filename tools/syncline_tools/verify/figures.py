"""The numbers of a run."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median

from .evidence import Evidence
from .records import Outcome
from .sightings import Sightings

__all__ = ["Figures", "Spread"]


@dataclass(frozen=True, slots=True)
class Spread:
    """Seconds, of so many cases; 0 where there is none."""

    count: int
    median: float
    p99: float
    worst: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """The spread of some values."""
        ordered = sorted(values)
        if not ordered:
            return cls(0, 0.0, 0.0, 0.0)
        p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
        return cls(len(ordered), *(round(v, 4) for v in (median(ordered), p99, ordered[-1])))


@dataclass(frozen=True, slots=True)
class Figures:
    """What happened, and how long it took.

    Attributes:
        seconds: from the beginning to the last read.
        writes: of documents, by outcome.
        settled: acknowledged writes whose answer came on a later connection than the question.
        events: at all subscribers together.
        faults: by kind.
        delay: by wire, from the acknowledgement of a write to sight at a subscriber.
        recovery: by kind of fault, from its end until a subscriber that it hit had seen all that
            had been acknowledged by then.
        convergence: seconds from the end of the last fault until everybody had seen everything.
        item_writes: of items and messages, by outcome.
        item_events: events of items, and messages, at all observers together.
        replica_repairs: how often replicas requested changes again, because a delta was wrong or
            did not begin from what they had.
        item_delay: as `delay`, of items and messages.
        clocks: of the server and of its store, the seconds by which they are ahead of this
            machine's; they have whole seconds only.
    """

    seconds: float
    clients: int
    documents: int
    writes: dict[str, int]
    settled: int
    events: int
    faults: dict[str, int]
    delay: dict[str, Spread]
    recovery: dict[str, Spread]
    convergence: float
    clocks: dict[str, float]
    item_writes: dict[str, int]
    item_events: int
    replica_repairs: int
    item_delay: dict[str, Spread]

    @classmethod
    def of(cls, evidence: Evidence, sightings: Mapping[str, Sightings]) -> Figures:
        """The figures of a run; `sightings` by client."""
        writes = [write for each in evidence.writes.values() for write in each]
        outcomes = Counter(write.outcome.value for write in writes)
        healed = evidence.ended.healed if evidence.ended else 0.0
        return cls(
            seconds=round(evidence.ended.at if evidence.ended else 0.0, 3),
            clients=len(evidence.wires),
            documents=len(evidence.created),
            writes={outcome.value: outcomes[outcome.value] for outcome in Outcome},
            settled=sum(write.settled for write in writes),
            events=evidence.count_events(),
            faults=dict(sorted(Counter(fault.fault for fault in evidence.faults).items())),
            delay=_delays(evidence.wires, sightings),
            recovery=_recoveries(evidence, sightings),
            convergence=round(
                max((each.recoveries([healed])[0] for each in sightings.values()), default=0.0), 4
            ),
            clocks=_clocks(evidence),
            item_writes=_item_writes(evidence),
            item_events=evidence.items.count_events(),
            replica_repairs=evidence.items.count_repairs(),
            item_delay=_delays(_observers(evidence), sightings),
        )


def _item_writes(evidence: Evidence) -> dict[str, int]:
    outcomes = Counter(write.outcome for write in evidence.items.writes.values())
    return {outcome.value: outcomes[outcome] for outcome in Outcome}


def _clocks(evidence: Evidence) -> dict[str, float]:
    ahead = {
        "server": [c.server - c.here for c in evidence.clocks if c.server is not None],
        "store": [c.store - c.here for c in evidence.clocks],
    }
    # What is cut off to whole seconds is half a second more in the mean.
    return {name: round(median(each) + 0.5, 1) for name, each in ahead.items() if each}


def _observers(evidence: Evidence) -> dict[str, str]:
    items = evidence.items
    return {client: items.wires[client] for client in items.observers}


def _delays(wires: Mapping[str, str], sightings: Mapping[str, Sightings]) -> dict[str, Spread]:
    """By wire; `wires` of the clients."""
    delays: dict[str, list[float]] = defaultdict(list)
    for client, wire in wires.items():
        delays[wire] += sightings[client].delays()
    return {wire: Spread.of(each) for wire, each in delays.items()}


def _recoveries(evidence: Evidence, sightings: Mapping[str, Sightings]) -> dict[str, Spread]:
    recoveries: dict[str, list[float]] = {}
    for kind in sorted({fault.fault for fault in evidence.faults}):
        recoveries[kind] = []
        for client, each in sightings.items():
            moments = [
                fault.at + fault.seconds
                for fault in evidence.faults
                if fault.fault == kind and fault.client in (None, client)
            ]
            recoveries[kind] += each.recoveries(moments)
    return {kind: Spread.of(each) for kind, each in recoveries.items()}
