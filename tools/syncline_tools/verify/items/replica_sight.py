"""What the user of a replica sees: into the history."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from syncline_tools.verify.records import Outcome

from .actions import expires
from .records import ItemChange, ItemsAnswered, ItemsInvoked, ItemState, Part
from .replica_records import (
    ReplicaChanged,
    ReplicaOpened,
    ReplicaRead,
    ReplicaReset,
    ReplicaWrote,
)
from .sight import ItemSight

__all__ = ["ReplicaSight"]


class ReplicaSight(ItemSight):
    """The eyes of a user of replicas, who also writes items."""

    def complete(self, collection: str, items: Iterable[ItemState]) -> None:
        """A replica has all items for the first time."""
        items = tuple(items)
        self._copies[collection] = {each.key: each.revision for each in items}
        self._add(ReplicaOpened, collection, items=items)

    def announce(self, collection: str, change: ItemChange) -> None:
        """A replica announced a change."""
        self._apply(collection, [change])
        self._add(ReplicaChanged, collection, changes=(change,))

    def reset(self, collection: str) -> None:
        """A replica announced that changes were lost."""
        self._add(ReplicaReset, collection)

    def next_write(self) -> int:
        """The number of the next write."""
        return self._history.number_write()

    def invoke(self, collection: str, number: int, part: Part) -> None:
        """A write begins."""
        self._history.add(
            ItemsInvoked(
                at=self.now(),
                write=number,
                client=self.client,
                collection=collection,
                parts=(part,),
            )
        )

    def end_write(self, number: int, outcome: Outcome, **known: Any) -> None:
        """It is known what became of a write; `known` as of `ItemsAnswered`."""
        self._history.add(ItemsAnswered(at=self.now(), write=number, outcome=outcome, **known))

    def wrote(self, collection: str, **members: Any) -> None:
        """An own write was answered; `members` as of the record."""
        self._add(ReplicaWrote, collection, **members)

    def show(self, collection: str, items: Iterable[ItemState], **members: Any) -> None:
        """What a replica shows; `members` as of the record."""
        self._add(ReplicaRead, collection, items=tuple(items), **members)

    def agrees(self, collection: str, revision: int, items: Iterable[ItemState]) -> bool:
        """True if what was announced leads to these items."""
        copy = {k: each for k, each in self._copies[collection].items() if not expires(k)}
        return copy == {
            each.key: each.revision
            for each in items
            if self.scope.has(each.key) and not expires(each.key)
        }

    def _add(self, kind: Any, collection: str, **members: Any) -> None:
        self._history.add(kind(at=self.now(), client=self.client, collection=collection, **members))
        self._on_change()
