"""Items of lists and maps, what changes them, and the event of a change.

A list is a map whose keys the server gives. In a map `key` is a string of the client; in a list it
is the index as a string of 16 digits (`index_key`), so that the order of keys is the order of
indexes. Protocols show an index as an integer.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import KW_ONLY, dataclass, field, replace
from enum import Enum
from typing import Self

from .commands import Command, Open, Write
from .documents import PatchBody
from .objects import NO_BASE, Base, DeltaState, Event

__all__ = [
    "ABSENT",
    "PART_KEYS_LIMIT",
    "BatchItems",
    "Change",
    "ChangeKind",
    "GetItem",
    "GetItems",
    "Item",
    "ItemOperation",
    "ItemQuery",
    "ItemsChanged",
    "ItemsReset",
    "OpenCollection",
    "Part",
    "PatchItem",
    "Verb",
    "WriteItem",
]

ABSENT = -1
"""As `if_match`: the item must not exist."""

PART_KEYS_LIMIT = 256
"""Maximum number of keys that a `Part` names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One item of a collection, at one revision.

    Attributes:
        key: as the module's docstring says.
        revision: of its last change; one clock for the collection and all its items.
        born: the revision that created the item. A reader at an older revision sees it added.
        data: the JSON object as compact UTF-8.
        created_ms, updated_ms: milliseconds since the epoch.
        expires_ms: milliseconds since the epoch; None if it never expires.
        created_by, updated_by: an identity, or `system`.
    """

    key: str
    revision: int
    born: int
    data: bytes
    created_ms: int
    updated_ms: int
    expires_ms: int | None
    created_by: str
    updated_by: str


class Verb(Enum):
    """What a write does with an item that exists, and with one that does not."""

    ADD = "add"
    """Create it; refused if it exists. In a list: append it."""
    PUT = "put"
    """Replace its data, or create it."""
    UPDATE = "update"
    """Replace its data, its expiry or both; refused if it does not exist."""
    REMOVE = "remove"
    """Remove it; refused if it does not exist."""


class ChangeKind(Enum):
    """What happened to an item."""

    ADDED = "added"
    UPDATED = "updated"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The change of one item.

    Attributes:
        item: the item after the change; after a removal its last data, at the removal's revision.
        expired: True for a removal because the item's time to live ran out.
    """

    kind: ChangeKind
    item: Item
    expired: bool = False

    def since(self, revision: int) -> Change | None:
        """The change for a reader that has all up to `revision`.

        None for the removal of an item that was created later: the reader never had it.
        """
        if self.item.born <= revision or self.kind is ChangeKind.ADDED:
            return self
        return None if self.kind is ChangeKind.REMOVED else replace(self, kind=ChangeKind.ADDED)


@dataclass(slots=True, kw_only=True)
class ItemsChanged(Event):
    """Items were changed by one commit: one item, or the items of a batch.

    Attributes:
        revision: that of the last change.
        expires_ms: when the collection expires; None for never. A write of an item can set it.
        bases: by key, what a delta of an item begins from; None for no item.
    """

    changes: tuple[Change, ...]
    expires_ms: int | None = None
    bases: dict[str, Base] | None = field(default=None, repr=False, compare=False)

    @property
    def header(self) -> Self:
        """As in `Event`."""
        return self

    @property
    def conflation_key(self) -> Hashable:
        """The item, if it is one; a batch replaces nothing."""
        return (self.sid, self.changes[0].item.key) if len(self.changes) == 1 else None

    @property
    def keys(self) -> Iterable[str]:
        """As in `Event`."""
        return (each.item.key for each in self.changes)

    @property
    def replayable(self) -> int:
        """As in `Event`: each change of an item."""
        return len(self.changes)

    @property
    def removes_item(self) -> bool:
        """As in `Event`."""
        return len(self.changes) == 1 and self.changes[0].kind is ChangeKind.REMOVED

    def since(self, revision: int) -> ItemsChanged | None:
        """As in `Event`."""
        return self._of(tuple(each.since(revision) for each in self.changes))

    def narrowed(self, has: Callable[[str], bool]) -> ItemsChanged | None:
        """As in `Event`."""
        return self._of(tuple(each if has(each.item.key) else None for each in self.changes))

    def _of(self, found: tuple[Change | None, ...]) -> ItemsChanged | None:
        """This event with the changes that are left; itself, with its frames, if all are."""
        changes = tuple(each for each in found if each is not None)
        if changes == self.changes:
            return self
        return self.with_changes(changes) if changes else None

    def with_changes(self, changes: tuple[Change, ...]) -> ItemsChanged:
        """A copy of this event with other changes, and without frames."""
        return ItemsChanged(
            sid=self.sid,
            unique_name=self.unique_name,
            revision=self.revision,
            previous=self.previous,
            at_ms=self.at_ms,
            by=self.by,
            trace=self.trace,
            changes=changes,
            expires_ms=self.expires_ms,
            bases=self.bases,
        )

    @property
    def delta_states(self) -> Iterable[DeltaState]:
        """As in `Event`. The delta of an item names the revision that it begins from."""
        for each in self.changes:
            is_there = each.kind is not ChangeKind.REMOVED
            base = None if each.kind is ChangeKind.UPDATED else NO_BASE
            data = each.item.data if is_there else None
            yield DeltaState(each.item.key, each.item.revision, data, base)

    def attach_base(self, item: str | None, base: Base) -> None:
        """As in `Event`."""
        if item is not None:
            self.bases = self.bases or {}
            self.bases[item] = base

    def base_of(self, change: Change) -> Base | None:
        """What a delta of a change begins from; None if it is sent as a whole."""
        if self.bases is None or change.kind is not ChangeKind.UPDATED:
            return None
        return self.bases.get(change.item.key)

    def has_delta_for(self, revision: int) -> bool:
        """As in `Event`: whether the client has the item at that revision, only it knows."""
        return self.bases is not None

    def after_loss(self) -> ItemsReset:
        """As in `Event`: the lost writes may be of items that this event does not name."""
        return ItemsReset(
            sid=self.sid,
            unique_name=self.unique_name,
            revision=self.revision,
            previous=self.previous,
            at_ms=self.at_ms,
            by=self.by,
            trace=self.trace,
        )

    @property
    def revisions(self) -> Iterable[tuple[Hashable, int]]:
        """As in `Event`, of each item."""
        return (((self.sid, each.item.key), each.item.revision) for each in self.changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemOperation:
    """What a write does with one item.

    Attributes:
        key: None with `ADD` to a list, which gives the key.
        data: None keeps the data, and is all that `REMOVE` takes.
        ttl: seconds until the item expires; 0 for never, None keeps the expiry.
        if_match: the revision that the item must be at, or `ABSENT`; None for any.
    """

    verb: Verb
    key: str | None
    data: bytes | None = None
    ttl: int | None = None
    if_match: int | None = None


@dataclass(frozen=True, slots=True)
class WriteItem(Write):
    """Write one item of the collection at `address`; `if_match` is that of the item.

    Attributes:
        action: what to do with the item.
        item_key: None with `ADD` to a list, which gives the key.
        data, ttl: as in `ItemOperation`.
        collection_ttl: seconds until the collection expires; 0 for never, None keeps the expiry.
    """

    verb = "write_item"
    _: KW_ONLY
    action: Verb
    item_key: str | None
    data: bytes | None = None
    ttl: int | None = None
    collection_ttl: int | None = None

    @property
    def item(self) -> str | None:
        """As in `Write`."""
        return self.item_key

    @property
    def removes(self) -> bool:
        """As in `Write`."""
        return self.action is Verb.REMOVE

    @property
    def operation(self) -> ItemOperation:
        """The write itself."""
        return ItemOperation(
            verb=self.action,
            key=self.item_key,
            data=self.data,
            ttl=self.ttl,
            if_match=self.if_match,
        )

    def tells_data(self, reply_data: bytes) -> bool:
        """As in `Write`."""
        return self.data is not None


@dataclass(frozen=True, slots=True)
class PatchItem(Write):
    """Change the newest data of one item by a rule. Attributes as in `WriteItem`."""

    verb = "patch_item"
    _: KW_ONLY
    item_key: str
    body: PatchBody
    ttl: int | None = None
    collection_ttl: int | None = None

    @property
    def item(self) -> str:
        """As in `Write`."""
        return self.item_key


@dataclass(frozen=True, slots=True)
class BatchItems(Command):
    """Write several items in one commit: all of them, or none."""

    verb = "batch_items"
    address: str
    _: KW_ONLY
    operations: tuple[ItemOperation, ...]
    collection_ttl: int | None = None
    op: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemQuery:
    """Which items a page holds.

    Attributes:
        start: the key to begin with; None for the first key in that order. It need not exist.
        is_inclusive: True if the item with the key `start` belongs to the page.
        is_descending: True for descending keys.
        size: how many items, at most.
        prefix: what their keys begin with; None for any key.
    """

    start: str | None = None
    is_inclusive: bool = True
    is_descending: bool = False
    size: int = 50
    prefix: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The items of a collection that a reader wants: exactly one of the attributes is set.

    Attributes:
        keys: those with these keys, at most `PART_KEYS_LIMIT`.
        prefix: those whose keys begin with this.
    """

    keys: frozenset[str] | None = None
    prefix: str | None = None

    def has(self, key: str) -> bool:
        """True if the item with this key belongs to the part, whether it exists or not."""
        if self.keys is not None:
            return key in self.keys
        return key.startswith(self.prefix or "")


@dataclass(frozen=True, slots=True)
class OpenCollection(Open):
    """Fetch or create a collection and subscribe to its items.

    Attributes:
        items: the page of items to read in the same step; None for none.
        part: the items to subscribe to, and to read; None for all.
        deltas: as in `Open`. It is asked for each time, because only a client that keeps the items
            can use deltas of them.
    """

    _: KW_ONLY
    items: ItemQuery | None = None
    part: Part | None = None
    deltas: bool = False


@dataclass(frozen=True, slots=True)
class GetItem(Command):
    """Read one item."""

    verb = "get_item"
    address: str
    item_key: str


@dataclass(frozen=True, slots=True)
class GetItems(Command):
    """Read a page of items; with `part`, of those that belong to it."""

    verb = "get_items"
    address: str
    query: ItemQuery
    _: KW_ONLY
    part: Part | None = None


@dataclass(slots=True, kw_only=True)
class ItemsReset(Event):
    """Items have changed in ways that are not known one by one: read all pages again."""

    @property
    def resets(self) -> bool:
        """As in `Event`."""
        return True
