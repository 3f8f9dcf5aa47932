"""The items of a replica, and what pages and events make of them (docs/protocol.md, C25 to C27)."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Generic

from .item import Item
from .item_events import ItemAdded, ItemEvent, ItemRemoved, ItemUpdated
from .type_variables import K

__all__ = ["ReplicaItems"]


class ReplicaItems(Generic[K]):
    """The items of a replica, and what its pages and events make of them (rules C25 to C27).

    Attributes:
        items: the items by key.
        complete: True once all pages are read.
    """

    def __init__(self, announce: Callable[[ItemEvent[Any, K]], None]) -> None:
        """`announce`: called with each difference."""
        self.items: dict[K, Item[Any, K]] = {}
        self.complete = False
        self._announce = announce
        self._keys: list[K] = []  # sorted
        self._is_first_walk = True
        # Since a reset: the keys that neither a page nor an event has named yet. They may be gone.
        self._unconfirmed: set[K] = set()
        # What events changed since the page that is under way was asked for, or, after a reset,
        # since that: newest revision by key.
        self._changed: dict[K, int] = {}
        # Items of pages that were newer than the events: revision by key.
        self._ahead: dict[K, int] = {}

    @property
    def keys(self) -> list[K]:
        """The keys in their order; not to be changed."""
        return self._keys

    def ask(self) -> None:
        """Begin to read a page."""
        # After a reset an event counts more than any page, also one that is asked for later.
        if self._is_first_walk:
            self._changed.clear()

    def read(self, page: list[Item[Any, K]], since: int) -> None:
        """Process a page; all changes up to the revision `since` have come."""
        for item in page:
            changed = self._changed.get(item.key)
            if changed is not None and (not self._is_first_walk or changed >= item.order):
                continue
            self._read_one(item)
            if item.order > since:
                self._ahead[item.key] = item.order

    def finish(self, order: int) -> None:
        """Process that the last page was read; `order` is the revision of the collection."""
        for key in sorted(self._unconfirmed):
            self._remove(key)
            self._announce(ItemRemoved(key=key, order=order))
        self._unconfirmed.clear()
        self._changed.clear()
        self.complete, self._is_first_walk = True, False

    def confirm(self, keys: list[K], complete_to: int | None) -> None:
        """Process that a message has named these keys.

        Args:
            complete_to: revision up to which the server has replayed all changes since a break,
                else None. It does not tell that an item was removed that it thinks the client never
                received: an item of a page that was ahead of the events.
        """
        for key in keys:
            self._ahead.pop(key, None)
        if complete_to is not None:
            for key in [key for key, order in self._ahead.items() if order <= complete_to]:
                del self._ahead[key]
                self.apply(ItemRemoved(key=key, order=complete_to))

    def suspects(self, since: int) -> list[K]:
        """Items of pages whose changes should have come by now: they may have been removed.

        The server does not tell a slow client that an item was removed that it thinks the client
        never received.
        """
        return sorted(key for key, order in self._ahead.items() if order <= since)

    def settle(self, asked: list[K], found: list[Item[Any, K]], since: int) -> None:
        """Process a page of suspects: `found` are those of `asked` that there are."""
        there = {item.key: item for item in found}
        for key in asked:
            if key not in self._ahead:
                continue  # an event has named it meanwhile
            del self._ahead[key]
            item = there.get(key)
            if item is None:
                self.apply(ItemRemoved(key=key, order=since))
            elif item.order > since:
                self._ahead[key] = self.items[key].order  # its event is still to come

    def reset(self) -> None:
        """Process a reset: pages decide what there is."""
        self._ahead.clear()
        self.complete = self._is_first_walk = False
        self._unconfirmed = set(self.items)
        self._changed.clear()

    def apply(self, event: ItemEvent[Any, K]) -> None:
        """Process a change."""
        key = event.key
        known = self.items.get(key)
        if known is not None and key not in self._unconfirmed and known.order >= event.order:
            return
        if not self.complete:
            self._changed[key] = event.order
        self._unconfirmed.discard(key)
        if isinstance(event, ItemRemoved):
            if known is None and self.complete:
                return
            self._remove(key)
            if event.json is None and known is not None:
                event = replace(event, json=known.json)
            self._announce(event)
            return
        is_added = known is None if self.complete else isinstance(event, ItemAdded)
        self._put(event.item)
        self._announce(_difference(known, event.item, is_added, event.is_local))

    def _read_one(self, item: Item[Any, K]) -> None:
        known = self.items.get(item.key)
        is_new = known is None or item.key in self._unconfirmed or known.order < item.order
        self._unconfirmed.discard(item.key)
        if is_new:
            self._put(item)
        if not self._is_first_walk and (known is None or known.order != item.order):
            self._announce(_difference(known, item, known is None, is_local=False))

    def _put(self, item: Item[Any, K]) -> None:
        if item.key not in self.items:
            insort(self._keys, item.key)
        self.items[item.key] = item

    def _remove(self, key: K) -> None:
        if self.items.pop(key, None) is not None:
            del self._keys[bisect_left(self._keys, key)]


def _difference(
    known: Item[Any, K] | None, item: Item[Any, K], is_added: bool, is_local: bool
) -> ItemEvent[Any, K]:
    if is_added:
        return ItemAdded(item=item, is_local=is_local)
    return ItemUpdated(item=item, previous=known, is_local=is_local)
