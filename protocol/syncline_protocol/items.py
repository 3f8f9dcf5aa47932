"""Items of lists and maps, and the event of a change.

A list is a map whose keys the server gives. In a map `key` is a string of the client; in a list it
is the index as a string of 16 digits (`index_key`), so that the order of keys is the order of
indexes. Protocols show an index as an integer.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Self

from .objects import NO_BASE, Base, DeltaState, Event

__all__ = [
    "Change",
    "ChangeKind",
    "Item",
    "ItemsChanged",
    "ItemsReset",
]


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


@dataclass(slots=True, kw_only=True)
class ItemsReset(Event):
    """Items have changed in ways that are not known one by one: read all pages again."""

    @property
    def resets(self) -> bool:
        """As in `Event`."""
        return True
