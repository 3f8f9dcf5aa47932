"""The changes of items that wait in one send queue, by collection."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

__all__ = ["WaitingItems"]


@dataclass(slots=True)
class _Collection:
    """The events of one collection that wait.

    Attributes:
        reached: the client receives everything up to this revision, whatever becomes of these.
        events: by place in the queue.
        changes: of all events.
        batches: how many events have more than one change.
    """

    reached: int
    events: dict[int, _Event] = field(default_factory=dict)
    changes: int = 0
    batches: int = 0


class _Event(NamedTuple):
    """An event that waits.

    Attributes:
        since: the reader has its items as they were at this revision.
    """

    changes: int
    size: int
    since: int


class WaitingItems:
    """Counts what waits, and knows from which revision a reader is behind if it is dropped."""

    def __init__(self) -> None:
        self._collections: dict[str, _Collection] = {}
        self._size = 0

    def begin(self, sid: str, previous: int) -> None:
        """An event comes. `previous`: the revision before it, which the reader has."""
        if sid not in self._collections:
            self._collections[sid] = _Collection(previous)

    def fits(self, sid: str, changes: int, size: int, most: int, most_bytes: int) -> bool:
        """True if an event with so many changes and bytes may wait.

        One may always wait if nothing of its collection does: else a reader could not catch up.
        """
        collection = self._collections[sid]
        if not collection.events:
            return True
        return collection.changes + changes <= most and self._size + size <= most_bytes

    def add(self, sid: str, place: int, changes: int, size: int, since: int) -> None:
        """Count an event, after `begin`. `since`: as in `_Event`."""
        collection = self._collections[sid]
        collection.events[place] = _Event(changes, size, since)
        collection.changes += changes
        collection.batches += changes > 1
        self._size += size

    def replace(self, sid: str, replaced: Iterable[int], previous: int) -> int:
        """Count the events at these places no more: a newer one replaces them.

        Returns the revision at which the reader has their item when it receives the newer event.
        `previous`: the one before that event.
        """
        # The collection stays, with the revision that its reader had before them.
        collection = self._collections[sid]
        since = min(self._remove(collection, place).since for place in replaced)
        # A batch that waits replaces nothing, and is not replaced: it may have the item too.
        return previous if collection.batches else since

    def sent(self, sid: str, place: int, revision: int) -> None:
        """Count an event no more: it was sent, and brings the reader to `revision`."""
        collection = self._collections[sid]
        self._remove(collection, place)
        # An event that it overtook was replaced by one that still waits. Read again from here, the
        # store reports that newer change, and all later ones.
        collection.reached = revision
        self.forget_if_empty(sid)

    def forget_if_empty(self, sid: str) -> None:
        """Forget a collection of which nothing waits."""
        if not self._collections[sid].events:
            del self._collections[sid]

    def drop(self, sid: str) -> tuple[list[int], int]:
        """Count no event of a collection any more.

        Returns their places, and the revision up to which the reader receives everything.
        """
        collection = self._collections.pop(sid)
        self._size -= sum(each.size for each in collection.events.values())
        return list(collection.events), collection.reached

    def _remove(self, collection: _Collection, place: int) -> _Event:
        event = collection.events.pop(place)
        collection.changes -= event.changes
        collection.batches -= event.changes > 1
        self._size -= event.size
        return event
