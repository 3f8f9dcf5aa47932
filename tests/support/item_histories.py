"""Histories made by hand, of the items of one collection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from support.histories import COMMAND, fault, whole_run
from syncline_tools.verify.evidence import Evidence
from syncline_tools.verify.items.observer import STORE
from syncline_tools.verify.items.records import (
    CollectionCreated,
    ItemChange,
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
from syncline_tools.verify.records import Connected, Injected, Outcome, Record

__all__ = [
    "COLLECTION",
    "FIRST",
    "OBSERVER",
    "OTHER",
    "added",
    "answered",
    "batch",
    "changed",
    "command",
    "evidence_of",
    "gone",
    "missed",
    "opened",
    "read",
    "received",
    "replayed",
    "state",
    "wrote",
]

COLLECTION = "MP1"

FIRST = 1_000
"""The revision of the collection when it is created."""

OBSERVER = "events-1"
OTHER = "events-2"


def evidence_of(
    *records: Record, type_: str = "map", end: float = 100.0, wire: str = STORE, prefix: str = ""
) -> Evidence:
    """What a run shows, in the order of time.

    `wire`, `prefix`: of the observer.
    """
    created = CollectionCreated(at=0, collection=COLLECTION, type=type_, began=0, revision=FIRST)
    joined: list[Record] = [
        ItemsJoined(at=0, client="items-1", wire="items"),
        ItemsJoined(at=0, client="pages-1", wire="pages"),
        ItemsJoined(at=0, client=OBSERVER, wire=wire, receives_events=True, prefix=prefix),
        # Another observer, at the store: it sees what it is given, and nothing else.
        ItemsJoined(at=0, client=OTHER, wire=STORE, receives_events=True),
    ]
    joined += [Connected(at=0, client=OBSERVER, connection=1), created]
    return whole_run(joined, records, end)


def state(key: str, revision: int, *writes: int, part: int = 0) -> ItemState:
    """An item that names these writes."""
    content = f"{writes}.{part}"
    return ItemState(key=key, revision=revision, content=content, writes=writes, part=part)


def added(key: str, revision: int, *writes: int, part: int = 0) -> ItemChange:
    """The change to such an item."""
    return ItemChange(
        key=key,
        revision=revision,
        content=f"{writes}.{part}",
        writes=writes,
        part=part,
        change="added",
    )


def gone(key: str, revision: int) -> ItemChange:
    """The removal of an item."""
    return ItemChange(key=key, revision=revision, content=None, change="removed")


def wrote(
    number: int,
    at: float,
    key: str,
    revision: int | None,
    *,
    do: str = "put",
    if_match: int | None = None,
    ttl: int | None = None,
    client: str = "items-1",
    connection: int | None = None,
) -> list[Record]:
    """A write that was acknowledged at that time."""
    content = None if do in ("remove", "merge") else f"{(number,)}.0"
    given = None if do == "add" and key.isdigit() else key
    part = Part(do=do, key=given, if_match=if_match, content=content, ttl=ttl)
    return [
        replace(_invoked(number, at, (part,)), client=client, connection=connection),
        ItemsAnswered(
            at=at,
            write=number,
            outcome=Outcome.ACKNOWLEDGED,
            keys=(key,),
            revisions=(revision,),
            connection=connection,
        ),
    ]


def batch(number: int, at: float, revisions: Mapping[str, int]) -> list[Record]:
    """A batch of puts that was acknowledged at that time."""
    parts = tuple(
        Part(do="put", key=key, content=f"{(number,)}.{part}") for part, key in enumerate(revisions)
    )
    return [
        _invoked(number, at, parts, is_batch=True),
        ItemsAnswered(
            at=at,
            write=number,
            outcome=Outcome.ACKNOWLEDGED,
            keys=tuple(revisions),
            revisions=tuple(revisions.values()),
        ),
    ]


def answered(records: list[Record], outcome: Outcome) -> list[Record]:
    """A write with another outcome."""
    invoked, answer = records
    assert isinstance(answer, ItemsAnswered)
    return [invoked, ItemsAnswered(at=answer.at, write=answer.write, outcome=outcome)]


def read(
    at: float,
    *items: ItemState,
    revision: int | None = None,
    is_atomic: bool = True,
    final: bool = False,
) -> ItemsRead:
    """All items, as they were read."""
    return ItemsRead(
        at=at,
        client=None if final else "pages-1",
        collection=COLLECTION,
        began=at - 0.01,
        revision=revision,
        items=items,
        is_atomic=is_atomic,
        final=final,
    )


def opened(at: float, revision: int, *items: ItemState) -> ItemsOpened:
    """The observer's copy."""
    return ItemsOpened(
        at=at,
        client=OBSERVER,
        collection=COLLECTION,
        connection=1,
        began=at - 0.01,
        revision=revision,
        items=items,
    )


def changed(at: float, previous: int, *changes: ItemChange, client: str = OBSERVER) -> ItemsChanged:
    """An event that an observer received."""
    return ItemsChanged(
        at=at,
        client=client,
        collection=COLLECTION,
        connection=1,
        revision=changes[-1].revision,
        previous=previous,
        changes=changes,
    )


def replayed(at: float, since: int, revision: int, *changes: ItemChange) -> ItemsReplayed:
    """What changed since a revision, as the observer tried it out."""
    return ItemsReplayed(
        at=at,
        client=OBSERVER,
        collection=COLLECTION,
        connection=1,
        since=since,
        revision=revision,
        changes=changes,
        is_adopted=False,
    )


def received(at: float, write: int | None) -> MessageReceived:
    """A message that the observer received."""
    return MessageReceived(at=at, client=OBSERVER, collection=COLLECTION, connection=1, write=write)


def missed(at: float, count: int) -> MessagesMissed:
    """The observer was too slow for so many messages."""
    return MessagesMissed(at=at, client=OBSERVER, collection=COLLECTION, connection=1, count=count)


def command(at: float, seconds: float) -> Injected:
    """A command of the user, such as a failover."""
    return fault(at, seconds, kind=COMMAND, client=None)


def _invoked(
    number: int, at: float, parts: tuple[Part, ...], *, is_batch: bool = False
) -> ItemsInvoked:
    return ItemsInvoked(
        at=at - 0.001,
        write=number,
        client="items-1",
        collection=COLLECTION,
        parts=parts,
        is_batch=is_batch,
    )
