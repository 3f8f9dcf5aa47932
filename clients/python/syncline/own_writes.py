"""Own writes of items that are not announced yet (docs/protocol.md, rule C24)."""

from __future__ import annotations

from typing import Any

from .item_events import ItemEvent, ItemRemoved

__all__ = ["OwnWrites"]

OWN_LIMIT = 1024
"""Own writes of one collection that wait for their events; beyond, the oldest are dropped."""


class OwnWrites:
    """The own writes of one collection, by key and revision, from their replies to their events."""

    def __init__(self) -> None:
        self._writes: dict[Any, dict[int, ItemEvent[Any] | None]] = {}
        self._count = 0

    def add(self, key: Any, order: int, event: ItemEvent[Any] | None) -> None:
        """Record a write; `event` announces it, None if its data is not known."""
        self._writes.setdefault(key, {})[order] = event
        self._count += 1
        if self._count > OWN_LIMIT:
            oldest = next(iter(self._writes))
            self._count -= len(self._writes.pop(oldest))

    def json_of(self, key: Any, order: int) -> bytes | None:
        """The data that an own write has stored; None if it is not known."""
        event = self._writes.get(key, {}).get(order)
        return None if event is None or isinstance(event, ItemRemoved) else event.item.json

    def take(self, change: ItemEvent[Any]) -> tuple[bool, list[ItemEvent[Any]]]:
        """Forget the writes of an item up to a change.

        Returns:
            whether that change is an own write, and the earlier ones whose data is known.
        """
        key, order = change.key, change.order
        writes = self._writes.get(key)
        if writes is None:
            return False, []
        taken = {each: writes.pop(each) for each in sorted(writes) if each <= order}
        if not writes:
            del self._writes[key]
        self._count -= len(taken)
        is_own = order in taken
        taken.pop(order, None)
        return is_own, [event for event in taken.values() if event is not None]

    def take_up_to(self, order: int | None) -> list[ItemEvent[Any]]:
        """Forget the writes of all items up to a revision, None: all; return those with data."""
        taken: list[ItemEvent[Any]] = []
        for key in list(self._writes):
            writes = self._writes[key]
            for each in [each for each in writes if order is None or each <= order]:
                event = writes.pop(each)
                self._count -= 1
                if event is not None:
                    taken.append(event)
            if not writes:
                del self._writes[key]
        return sorted(taken, key=lambda event: event.order)
