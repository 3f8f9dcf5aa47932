"""A history in the order in which it is judged: by write, and by document and client."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from .items.evidence import ItemEvidence
from .items.records import ItemRecord
from .plan import FaultKind
from .records import (
    Answered,
    Clocked,
    Connected,
    Created,
    Ended,
    Injected,
    Invoked,
    Joined,
    Lost,
    Missing,
    Opened,
    Outcome,
    Read,
    Record,
    Removed,
    Repeated,
    Stalled,
    Started,
    Updated,
)

__all__ = ["Evidence", "Seen", "Write"]

Seen = Opened | Updated | Removed | Missing
"""What a subscriber can receive about a document."""


@dataclass(frozen=True, slots=True)
class Write:
    """A write of a client; `answered` is None where the history ends before."""

    invoked: Invoked
    answered: Answered | None

    @property
    def outcome(self) -> Outcome:
        """What its client knows."""
        return self.answered.outcome if self.answered else Outcome.UNKNOWN

    @property
    def revision(self) -> int | None:
        """What it got; None if that is not known."""
        return self.answered.revision if self.answered else None

    @property
    def settled(self) -> bool:
        """True if it was acknowledged on a later connection than the one it was asked on."""
        return (
            self.answered is not None
            and self.answered.outcome is Outcome.ACKNOWLEDGED
            and self.answered.connection != self.invoked.connection
        )


@dataclass(slots=True)
class Evidence:
    """All that is known of a run.

    Attributes:
        started, ended: None where the history lacks them.
        wires: of each client.
        created: by document.
        writes: by document, in the order of their numbers.
        seen: by document and client, in order; nothing where a client saw nothing of a document.
        places: where in the history each record of `seen` and each answer is, by identity.
        reads: the readings before the last.
        final: the last reading of each document.
        faults: in order.
        connections: by client, in order.
        repeats: writes that were sent again after their answer.
        stalls: of the verifying process.
        clocks: readings of them.
        items: of lists, maps and streams.
    """

    started: Started | None = None
    ended: Ended | None = None
    wires: dict[str, str] = field(default_factory=dict)
    created: dict[str, Created] = field(default_factory=dict)
    writes: dict[str, list[Write]] = field(default_factory=lambda: defaultdict(list))
    seen: dict[tuple[str, str], list[Seen]] = field(default_factory=lambda: defaultdict(list))
    places: dict[int, int] = field(default_factory=dict)
    reads: list[Read] = field(default_factory=list)
    final: dict[str, Read] = field(default_factory=dict)
    faults: list[Injected] = field(default_factory=list)
    connections: dict[str, list[Connected | Lost]] = field(
        default_factory=lambda: defaultdict(list)
    )
    repeats: list[Repeated] = field(default_factory=list)
    stalls: list[Stalled] = field(default_factory=list)
    clocks: list[Clocked] = field(default_factory=list)
    items: ItemEvidence = field(default_factory=ItemEvidence)

    @classmethod
    def of(cls, history: Iterable[Record]) -> Evidence:
        """Put a history in order."""
        evidence = cls()
        invoked: list[Invoked] = []
        answered: dict[int, Answered] = {}
        for place, record in enumerate(history):
            match record:
                case Invoked():
                    invoked.append(record)
                case Answered():
                    answered[record.write] = record
                    evidence.places[id(record)] = place
                case _:
                    evidence._add_record(record, place)
            if isinstance(record, Ended):
                break  # what follows is the cleaning up
        for each in invoked:
            evidence.writes[each.document].append(Write(each, answered.get(each.write)))
        return evidence

    def _add_record(self, record: Record, place: int) -> None:
        match record:
            case ItemRecord():
                self.items.add(record, place)
            case Opened() | Updated() | Removed() | Missing():
                self.seen[record.document, record.client].append(record)
                self.places[id(record)] = place
            case Read(final=True):
                self.final[record.document] = record
            case Read():
                self.reads.append(record)
            case Created():
                self.created[record.document] = record
            case Connected() | Lost():
                self.connections[record.client].append(record)
            case Injected():
                self.faults.append(record)
                if record.client is not None and record.fault == FaultKind.DUPLICATE:
                    self.items.duplicated[record.client].append(record.at)
            case Repeated():
                self.repeats.append(record)
            case Stalled():
                self.stalls.append(record)
            case Clocked():
                self.clocks.append(record)
            case Joined():
                self.wires[record.client] = record.wire
            case Started():
                self.started = record
            case Ended():
                self.ended = record

    def acknowledged(self, document: str) -> list[Write]:
        """Those writes of a document that were acknowledged."""
        return [write for write in self.writes[document] if write.outcome is Outcome.ACKNOWLEDGED]

    def unknown(self, document: str) -> list[Write]:
        """Those of which nobody knows."""
        return [write for write in self.writes[document] if write.outcome is Outcome.UNKNOWN]

    def count_events(self) -> int:
        """Events at all subscribers together."""
        return sum(
            isinstance(each, Updated | Removed) for seen in self.seen.values() for each in seen
        )
