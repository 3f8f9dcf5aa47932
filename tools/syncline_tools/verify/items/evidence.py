"""What a history shows of lists, maps and streams, in the order in which it is judged."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from syncline_tools.verify.records import Outcome

from .records import (
    CollectionCreated,
    CollectionRemoved,
    ItemRecord,
    ItemsAnswered,
    ItemsChanged,
    ItemsInvoked,
    ItemsJoined,
    ItemsOpened,
    ItemsRead,
    ItemsReplayed,
    ItemState,
    MessageReceived,
    MessagesMissed,
    Part,
)
from .replica_records import ReplicaChanged, ReplicaOpened, ReplicaRead, ReplicaRecord
from .scope import WHOLE, Scope

__all__ = ["Applied", "ItemEvidence", "ItemSeen", "ItemWrite", "Sighting", "Snapshot"]

ItemSeen = ItemsOpened | ItemsChanged | ItemsReplayed | CollectionRemoved
"""What a subscriber of events can receive about a collection."""

Snapshot = ItemsRead | ItemsOpened
"""All items of a collection, as somebody saw them."""


@dataclass(slots=True)
class ItemWrite:
    """A write of a client; `answered` is None where the history ends before."""

    invoked: ItemsInvoked
    answered: ItemsAnswered | None = None

    @property
    def number(self) -> int:
        """As its data name it."""
        return self.invoked.write

    @property
    def outcome(self) -> Outcome:
        """What its client knows."""
        return self.answered.outcome if self.answered else Outcome.UNKNOWN

    @property
    def is_acknowledged(self) -> bool:
        """True if its client knows that it was applied."""
        return self.outcome is Outcome.ACKNOWLEDGED

    @property
    def settled(self) -> bool:
        """True if it was acknowledged on a later connection than the one it was asked on."""
        answered, asked_on = self.answered, self.invoked.connection
        if answered is None or not self.is_acknowledged or asked_on is None:
            return False
        return answered.connection != asked_on

    @property
    def acknowledged_at(self) -> float:
        """When; infinity if it was not."""
        is_known = self.answered is not None and self.is_acknowledged
        return self.answered.at if is_known and self.answered else float("inf")


@dataclass(frozen=True, slots=True)
class Applied:
    """A part of a write that was acknowledged.

    Attributes:
        key, revision: None where the answer did not say.
    """

    write: ItemWrite
    part: Part
    key: str | None
    revision: int | None

    @property
    def began(self) -> float:
        """When it was asked for."""
        return self.write.invoked.at

    @property
    def at(self) -> float:
        """When it was acknowledged."""
        return self.write.acknowledged_at


@dataclass(frozen=True, slots=True)
class Sighting:
    """One state of one item, as somebody saw it; `client` is None past all faults."""

    at: float
    client: str | None
    state: ItemState


@dataclass(slots=True)
class ItemEvidence:
    """All that is known of lists, maps and streams.

    Attributes:
        wires: of each client.
        scopes: the items that each client observes.
        observers: the clients that receive events.
        created: by SID.
        writes: by number, in the order of their numbers.
        snapshots: by collection.
        seen: by collection and client, of the observers of events.
        messages: by stream and client.
        missed: what subscribers were notified to have missed of messages, by stream and client.
        replicas: what the users of replicas saw, by collection and client.
        places: where in the history each thing that was received, and each answer, is, by identity.
        duplicated: when all that a client had sent was sent again, by client.
    """

    wires: dict[str, str] = field(default_factory=dict)
    scopes: dict[str, Scope] = field(default_factory=dict)
    observers: list[str] = field(default_factory=list)
    created: dict[str, CollectionCreated] = field(default_factory=dict)
    writes: dict[int, ItemWrite] = field(default_factory=dict)
    snapshots: dict[str, list[Snapshot]] = field(default_factory=lambda: defaultdict(list))
    seen: dict[tuple[str, str], list[ItemSeen]] = field(default_factory=lambda: defaultdict(list))
    messages: dict[tuple[str, str], list[MessageReceived]] = field(
        default_factory=lambda: defaultdict(list)
    )
    missed: dict[tuple[str, str], list[MessagesMissed]] = field(
        default_factory=lambda: defaultdict(list)
    )
    replicas: dict[tuple[str, str], list[ReplicaRecord]] = field(
        default_factory=lambda: defaultdict(list)
    )
    places: dict[int, int] = field(default_factory=dict)
    duplicated: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, record: ItemRecord, place: int) -> None:
        """Take the next record of a history, and its place there."""
        self.places[id(record)] = place
        match record:
            case ItemsJoined():
                self.wires[record.client] = record.wire
                self.scopes[record.client] = Scope(prefix=record.prefix, keys=record.keys)
                if record.receives_events:
                    self.observers.append(record.client)
            case CollectionCreated():
                self.created[record.collection] = record
            case ItemsInvoked():
                self.writes[record.write] = ItemWrite(record)
            case ItemsAnswered():
                if record.write in self.writes:
                    self.writes[record.write].answered = record
            case ItemsRead():
                self.snapshots[record.collection].append(record)
            case ItemsOpened():
                self.snapshots[record.collection].append(record)
                self.seen[record.collection, record.client].append(record)
            case ItemsChanged() | ItemsReplayed() | CollectionRemoved():
                self.seen[record.collection, record.client].append(record)
            case MessageReceived():
                self.messages[record.collection, record.client].append(record)
            case MessagesMissed():
                self.missed[record.collection, record.client].append(record)
            case ReplicaRecord():
                self.replicas[record.collection, record.client].append(record)

    @property
    def collections(self) -> list[str]:
        """The lists and maps."""
        return [sid for sid, created in self.created.items() if created.type != "stream"]

    def writes_to(self, collection: str) -> list[ItemWrite]:
        """All writes of a collection."""
        return [each for each in self.writes.values() if each.invoked.collection == collection]

    def is_refused(self, write: ItemWrite) -> bool:
        """True of a write that was refused, and was not sent again by a fault: a server remembers
        only what it has applied, so what it refused may be applied when it comes again."""
        return write.outcome is Outcome.REFUSED and not any(
            at >= write.invoked.at for at in self.duplicated.get(write.invoked.client, ())
        )

    def applied(self, collection: str) -> list[Applied]:
        """The parts of all acknowledged writes of a collection."""
        return [
            Applied(write, part, key, revision)
            for write in self.writes_to(collection)
            if write.is_acknowledged and write.answered is not None
            for part, key, revision in zip(
                write.invoked.parts, write.answered.keys, write.answered.revisions, strict=True
            )
        ]

    def changes_of(self, collection: str, wire: str | None = None) -> Iterator[ItemsChanged]:
        """All events of a collection, at all observers, or at those that have a wire."""
        for client in self.observers if wire is None else self.observers_at(wire):
            for each in self.seen.get((collection, client), ()):
                if isinstance(each, ItemsChanged):
                    yield each

    def observers_at(self, wire: str) -> list[str]:
        """Those observers of events that have a wire."""
        return [client for client in self.observers if self.wires[client] == wire]

    def scope(self, client: str | None) -> Scope:
        """The items that a client observes; None is past all faults."""
        return WHOLE if client is None else self.scopes.get(client, WHOLE)

    def removing(self, collection: str) -> dict[str, list[ItemWrite]]:
        """The writes that remove each item, except those that were refused."""
        found: dict[str, list[ItemWrite]] = defaultdict(list)
        for write in self.writes_to(collection):
            for part in write.invoked.parts:
                if part.do == "remove" and part.key and not self.is_refused(write):
                    found[part.key].append(write)
        return found

    def replica_clients(self, collection: str) -> list[str]:
        """Those that have a replica of a collection."""
        return [client for sid, client in self.replicas if sid == collection]

    def count_repairs(self) -> int:
        """How often replicas requested changes again."""
        reads: dict[tuple[str, str], int] = {}
        for place, records in self.replicas.items():
            counts = [each.repairs for each in records if isinstance(each, ReplicaRead)]
            reads[place] = counts[-1] if counts else 0
        return sum(reads.values())

    def count_events(self) -> int:
        """Events of items, and messages, at all observers together."""
        changes = sum(
            isinstance(each, ItemsChanged) for seen in self.seen.values() for each in seen
        )
        return changes + sum(map(len, self.messages.values()))

    def snapshots_of_all(self, collection: str) -> Iterator[Snapshot]:
        """Those that show all items, not those of a part."""
        for snapshot in self.snapshots[collection]:
            if self.scope(snapshot.client).is_whole:
                yield snapshot

    def sightings(self, collection: str) -> Iterator[Sighting]:
        """Every state of every item that anybody saw."""
        for snapshot in self.snapshots[collection]:
            for state in snapshot.items:
                yield Sighting(snapshot.at, snapshot.client, state)
        for client in self.observers:
            for each in self.seen.get((collection, client), ()):
                if isinstance(each, ItemsChanged | ItemsReplayed):
                    for change in each.changes:
                        yield Sighting(each.at, client, change)
        for (sid, client), records in self.replicas.items():
            for record in records if sid == collection else ():
                yield from _shown(record, client)

    def final(self, collection: str) -> ItemsRead | None:
        """The last reading past all faults."""
        for snapshot in reversed(self.snapshots[collection]):
            if isinstance(snapshot, ItemsRead) and snapshot.final:
                return snapshot
        return None


def _shown(record: ReplicaRecord, client: str) -> Iterator[Sighting]:
    """The items that a replica shows. The revision of a removal may be the collection's there."""
    states: tuple[ItemState, ...] = ()
    if isinstance(record, ReplicaOpened | ReplicaRead):
        states = record.items
    elif isinstance(record, ReplicaChanged):
        states = record.changes
    for state in states:
        if state.content is not None:
            yield Sighting(record.at, client, state)
