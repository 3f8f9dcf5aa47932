"""Records of a history as lines of JSON."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import orjson

from .items.records import (
    CollectionCreated,
    CollectionRemoved,
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
from .items.replica_records import (
    ReplicaChanged,
    ReplicaOpened,
    ReplicaRead,
    ReplicaReset,
    ReplicaWrote,
)
from .records import (
    Answered,
    Clocked,
    Connected,
    Created,
    Ended,
    Injected,
    Invoked,
    Joined,
    Kind,
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

__all__ = ["decode", "encode"]

_KINDS: dict[str, type[Record]] = {
    kind.__name__.lower(): kind
    for kind in (
        Answered,
        Clocked,
        CollectionCreated,
        CollectionRemoved,
        Connected,
        Created,
        Ended,
        Injected,
        Invoked,
        ItemsAnswered,
        ItemsChanged,
        ItemsInvoked,
        ItemsJoined,
        ItemsOpened,
        ItemsRead,
        ItemsReplayed,
        Joined,
        Lost,
        MessageReceived,
        MessagesMissed,
        Missing,
        Opened,
        Read,
        Removed,
        Repeated,
        ReplicaChanged,
        ReplicaOpened,
        ReplicaRead,
        ReplicaReset,
        ReplicaWrote,
        Stalled,
        Started,
        Updated,
    )
}

_MEMBERS = {
    kind: tuple(each.name for each in fields(kind) if each.name != "at") for kind in _KINDS.values()
}


def encode(record: Record) -> bytes:
    """A record as one line of JSON."""
    kind = type(record)
    body = {"at": round(record.at, 6), "record": kind.__name__.lower()}
    # The items in a record stay dataclasses, which orjson writes faster than a copy is made.
    body |= {name: getattr(record, name) for name in _MEMBERS[kind]}
    return orjson.dumps(body, option=orjson.OPT_APPEND_NEWLINE)


def decode(line: bytes) -> Record:
    """What `encode` made.

    Raises:
        ValueError: it is none of that.
    """
    body = orjson.loads(line)
    try:
        kind = _KINDS[body.pop("record")]
        return kind(**{name: _typed(name, value) for name, value in body.items()})
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a record of a history: {line[:80]!r}") from error


def _typed(name: str, value: Any) -> Any:
    match name:
        case "kind":
            return Kind(value)
        case "outcome":
            return Outcome(value)
        case "parts":
            return tuple(Part(**each) for each in value)
        case "items":
            return tuple(ItemState(**_state(each)) for each in value)
        case "changes":
            return tuple(ItemChange(**_state(each)) for each in value)
        case "keys" | "revisions":
            return tuple(value)
        case _:
            return value


def _state(members: dict[str, Any]) -> dict[str, Any]:
    return {**members, "writes": tuple(members["writes"])}
