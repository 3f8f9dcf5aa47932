"""Histories made by hand, of one document in which every moment is known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from syncline_tools.verify.evidence import Evidence
from syncline_tools.verify.records import (
    Answered,
    Connected,
    Created,
    Ended,
    Injected,
    Invoked,
    Joined,
    Kind,
    Opened,
    Outcome,
    Record,
    Removed,
    Repeated,
    Updated,
)

__all__ = [
    "CLIENTS",
    "COMMAND",
    "DOCUMENT",
    "FIRST",
    "answered_again",
    "created",
    "evidence_of",
    "fault",
    "opened",
    "removed",
    "updated",
    "whole_run",
    "written",
]

DOCUMENT = "ET1"

FIRST = 1_000_000
"""The revision with which the document is created; those of single commits are far apart."""

CLIENTS = {"native-1": "native", "rest-1": "rest", "twilsock-1": "twilsock", "python-1": "python"}

COMMAND = "command"


def evidence_of(*records: Record, end: float = 100.0) -> Evidence:
    """What a run shows in which all clients are connected, in the order of time."""
    joined: list[Record] = [Joined(at=0, client=name, wire=w) for name, w in CLIENTS.items()]
    joined += [Connected(at=0, client=name, connection=1) for name in CLIENTS]
    return whole_run(joined, records, end)


def whole_run(joined: Sequence[Record], records: Iterable[Record], end: float) -> Evidence:
    """What a run shows, from those who join to its end; `records` are put in the order of time."""
    ordered = sorted(records, key=lambda record: record.at)
    return Evidence.of([*joined, *ordered, Ended(at=end, healed=end)])


def created(
    kind: Kind = Kind.COUNTER, document: str = DOCUMENT, *, at: float = 0.1, ttl: int | None = None
) -> Created:
    return Created(
        at=at,
        document=document,
        kind=kind,
        began=0 if ttl is None else at,
        revision=FIRST,
        content="0",
        ttl=ttl,
        followers=list(CLIENTS),
    )


def opened(
    at: float = 0.2, revision: int = FIRST, *, client: str = "native-1", connection: int = 1
) -> Opened:
    return Opened(
        at=at,
        client=client,
        document=DOCUMENT,
        connection=connection,
        revision=revision,
        content=str(revision),
    )


def updated(
    at: float,
    revision: int,
    previous: int | None = None,
    *,
    client: str = "native-1",
    connection: int = 1,
) -> Updated:
    return Updated(
        at=at,
        client=client,
        document=DOCUMENT,
        connection=connection,
        revision=revision,
        content=str(revision),
        previous=previous,
    )


def removed(
    at: float, revision: int, *, client: str = "native-1", expired: bool = False
) -> Removed:
    return Removed(
        at=at, client=client, document=DOCUMENT, connection=1, revision=revision, expired=expired
    )


def written(
    number: int,
    at: float,
    revision: int,
    *,
    do: str = "patch",
    client: str = "rest-1",
    if_match: int | None = None,
    took: float = 0.001,
    document: str = DOCUMENT,
) -> list[Record]:
    """A write that was acknowledged at that time."""
    return [
        Invoked(
            at=at - took,
            write=number,
            client=client,
            document=document,
            do=do,
            connection=1,
            if_match=if_match,
        ),
        Answered(
            at=at, write=number, outcome=Outcome.ACKNOWLEDGED, connection=1, revision=revision
        ),
    ]


def answered_again(write: int, revision: int | None = None, code: int | None = None) -> Repeated:
    """The answer to a write that was sent again."""
    return Repeated(
        at=50, write=write, client="rest-1", document=DOCUMENT, revision=revision, code=code
    )


def fault(
    at: float, seconds: float, *, kind: str = "delay", client: str | None = "native-1"
) -> Injected:
    return Injected(at=at, client=client, fault=kind, seconds=seconds, detail="")
