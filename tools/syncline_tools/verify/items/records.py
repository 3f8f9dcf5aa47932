"""What a history says of lists, maps, streams and their items.

Each item names the writes that made it (`ItemState.writes`), so that every state that somebody sees
can be compared with what was written. `key` of a list's item is its index, as text.
"""

from __future__ import annotations

from dataclasses import dataclass

from syncline import JsonObject
from syncline_tools.verify.records import Outcome, Record, content_of

__all__ = [
    "CollectionCreated",
    "CollectionRemoved",
    "ItemChange",
    "ItemRecord",
    "ItemState",
    "ItemsAnswered",
    "ItemsChanged",
    "ItemsInvoked",
    "ItemsJoined",
    "ItemsOpened",
    "ItemsRead",
    "ItemsReplayed",
    "MessageReceived",
    "MessagesMissed",
    "Part",
    "REMOVED",
    "named_by",
    "state_of",
]

REMOVED = "removed"
"""The `change` of an item that is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one write does with one item; a batch has several.

    Attributes:
        do: `add`, `put`, `update`, `remove`, `merge`; `publish` for a message.
        key: None where the server gives the index.
        if_match: the revision on which it is conditional; -1: the item must not exist.
        content: of the item after it; None where it depends on what was there.
        ttl: seconds that the item lives; None if it does not expire.
    """

    do: str
    key: str | None = None
    if_match: int | None = None
    content: str | None = None
    ttl: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemState:
    """An item as somebody saw it.

    Attributes:
        content: digest of its data; None if it is removed.
        writes: the numbers of the writes that its data names.
        part: which part of its write it is, from 0.
    """

    key: str
    revision: int
    content: str | None
    writes: tuple[int, ...] = ()
    part: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemChange(ItemState):
    """The change of an item.

    Attributes:
        change: `added`, `updated`, `removed`; `live` where it is not known which of the first two.
    """

    change: str
    expired: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemRecord(Record):
    """Something that happened to a list, map or stream, or in one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemsJoined(ItemRecord):
    """There is a client of lists, maps and streams.

    Attributes:
        wire: how it is connected.
        receives_events: False of one that only writes, or only reads.
        prefix, keys: the part of a map that it observes, as of `Scope`.
    """

    client: str
    wire: str
    receives_events: bool = False
    prefix: str = ""
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionCreated(ItemRecord):
    """A list, map or stream was created, past all faults: asked for at `began`, answered `at`."""

    collection: str
    type: str
    began: float
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemsInvoked(ItemRecord):
    """A client began a write: of one item, or a batch of several.

    Attributes:
        connection: of the client at that moment; None without one, or where the reply and the
            event of a write do not come on one connection.
    """

    write: int
    client: str
    collection: str
    parts: tuple[Part, ...]
    is_batch: bool = False
    connection: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemsAnswered(ItemRecord):
    """A client knows all that it will ever know of a write.

    Attributes:
        keys, revisions: of each part; None of what the answer does not say.
        code: of a refusal.
        is_repeated: True if the server said that it had applied it before.
        connection: on which the reply came; None as of `ItemsInvoked`.
    """

    write: int
    outcome: Outcome
    keys: tuple[str | None, ...] = ()
    revisions: tuple[int | None, ...] = ()
    code: int | None = None
    is_repeated: bool = False
    connection: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemsRead(ItemRecord):
    """All items of a collection were read: asked for at `began`, answered `at`.

    Attributes:
        client: None for a read past all faults.
        revision: of the collection at that moment; None if it was changed meanwhile.
        is_atomic: True if all items came in one page.
        final: True after the last write.
    """

    client: str | None
    collection: str
    began: float
    revision: int | None
    items: tuple[ItemState, ...]
    is_atomic: bool
    final: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemsOpened(ItemRecord):
    """A subscriber of events has all items, as they were at that revision: its copy.

    A stream has none: from here on its messages arrive.
    """

    client: str
    collection: str
    connection: int
    began: float
    revision: int
    items: tuple[ItemState, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemsChanged(ItemRecord):
    """A subscriber received an event; `previous` is the collection's revision before it.

    An event of a wire that does not say `previous` has that of the one before.
    """

    client: str
    collection: str
    connection: int
    revision: int
    previous: int
    changes: tuple[ItemChange, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemsReplayed(ItemRecord):
    """A client read what changed since a revision at which it had a copy.

    Attributes:
        is_adopted: True if its own copy went on from there, as after a break; False if it only
            tried out what its copy would have become.
    """

    client: str
    collection: str
    connection: int
    since: int
    revision: int
    changes: tuple[ItemChange, ...]
    is_adopted: bool
    head: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionRemoved(ItemRecord):
    """A subscriber received the end of a collection."""

    client: str
    collection: str
    connection: int
    revision: int
    expired: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageReceived(ItemRecord):
    """A subscriber received a message of a stream; `write` is the number that its data names."""

    client: str
    collection: str
    connection: int
    write: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagesMissed(ItemRecord):
    """A subscriber was notified that it was too slow for so many messages."""

    client: str
    collection: str
    connection: int
    count: int


def named_by(data: JsonObject) -> tuple[tuple[int, ...], int]:
    """The writes that the data of an item names, and the part of its write that it is."""
    if isinstance(data.get("w"), int):
        return (data["w"],), int(data.get("part", 0))
    numbers = (name[1:] for name in data if name.startswith("w"))
    return tuple(sorted(int(number) for number in numbers if number.isdigit())), 0


def state_of(key: str, revision: int, data: JsonObject) -> ItemState:
    """An item with this data."""
    writes, part = named_by(data)
    return ItemState(key=key, revision=revision, content=content_of(data), writes=writes, part=part)
