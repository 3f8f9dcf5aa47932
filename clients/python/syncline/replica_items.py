"""The items of a replica, and what pages and events make of them (docs/protocol.md, C25 to C27)."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Mapping
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
        # What pages and own writes have brought before their events: revision by key, also of an
        # own removal.
        self._ahead: dict[K, int] = {}
        # What was announced last of each item of which an own write is shown: None for no item.
        self._announced: dict[K, Item[Any, K] | None] = {}

    @property
    def keys(self) -> list[K]:
        """The keys in their order; not to be changed."""
        return self._keys

    def known(self, key: K) -> Item[Any, K] | None:
        """The item with a key, without own writes whose events are still to come.

        None if there is none, or a reset has made it doubtful.
        """
        if key in self._unconfirmed:
            return None
        return self._announced[key] if key in self._announced else self.items.get(key)

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
                if self._is_first_walk and self._announced.get(item.key, item) is None:
                    self._announced[item.key] = item  # the state before an own write
                continue
            self._read_one(item)
            if item.order > since:
                self._ahead[item.key] = item.order

    def finish(self, order: int) -> None:
        """Process that the last page was read; `order` is the revision of the collection."""
        for key in sorted(self._unconfirmed):
            known = self._announced.pop(key, self.items.get(key))
            self._remove(key)
            if known is not None:
                self._announce(ItemRemoved(key=key, order=order))
        self._unconfirmed.clear()
        self._changed.clear()
        self._announced = {k: each for k, each in self._announced.items() if k in self._ahead}
        self.complete, self._is_first_walk = True, False

    def show(self, event: ItemEvent[Any, K]) -> None:
        """Show an own write, which is announced in its turn (rule C30)."""
        item = None if isinstance(event, ItemRemoved) else event.item
        self._show(event.key, item, event.order)

    def show_written(self, item: Item[Any, K], since: int) -> None:
        """Show an item that was read because this client wrote it."""
        if item.order > since:
            self._show(item.key, item, item.order)

    def _show(self, key: K, item: Item[Any, K] | None, order: int) -> None:
        known = self.items.get(key)
        newest = 0 if known is None or key in self._unconfirmed else known.order
        if order <= max(newest, self._ahead.get(key, 0), self._changed.get(key, 0)):
            return
        self._announced.setdefault(key, known)
        self._ahead[key] = order
        if not self.complete:
            self._changed[key] = order
        self._unconfirmed.discard(key)
        if item is None:
            self._remove(key)
        else:
            self._put(item)

    def confirm(self, orders: Mapping[K, int], complete_to: int | None) -> None:
        """Process that a message has named these keys.

        Args:
            orders: revisions of the changes by key.
            complete_to: revision up to which the server has replayed all changes since a break,
                else None. It does not tell that an item was removed that it thinks the client never
                received: an item of a page, or of an own write, that was ahead of the events.
        """
        for key, order in orders.items():
            if order >= self._ahead.get(key, order):
                self._ahead.pop(key, None)
        if complete_to is not None:
            for key in [key for key, order in self._ahead.items() if order <= complete_to]:
                self._lose(key, complete_to)

    def suspects(self, since: int) -> list[K]:
        """Items that are ahead, whose changes should have come by now: perhaps they were removed.

        The server does not tell a slow client that an item was removed that it thinks the client
        never received.
        """
        late = sorted(key for key, order in self._ahead.items() if order <= since)
        for key in late:
            if key not in self.items and self._announced.get(key) is None:
                # An own removal of an item that was never announced: no event follows.
                del self._ahead[key]
                self._announced.pop(key, None)
        return [key for key in late if key in self.items]

    def settle(self, asked: list[K], found: list[Item[Any, K]], since: int) -> None:
        """Process a page of suspects: `found` are those of `asked` that there are."""
        there = {item.key: item for item in found}
        for key in asked:
            if self._ahead.get(key, since + 1) > since or key not in self.items:
                continue  # an event has named it meanwhile, or this client has written it
            item = there.get(key)
            if item is None:
                self._lose(key, since)
                continue
            if item.order > since:
                self._ahead[key] = item.order  # its event is still to come
                continue
            del self._ahead[key]
            if item.order > self.items[key].order:
                self._read_one(item)

    def reset(self) -> None:
        """Process a reset: pages decide what there is."""
        self._ahead.clear()
        self.complete = self._is_first_walk = False
        announced = {key for key, item in self._announced.items() if item is not None}
        self._unconfirmed = set(self.items) | announced
        self._changed.clear()

    def apply(self, event: ItemEvent[Any, K]) -> None:
        """Process a change."""
        key = event.key
        # An own write may be shown already: what counts here is what was announced.
        is_shown = key in self._announced
        known = self._announced[key] if is_shown else self.items.get(key)
        if known is not None and key not in self._unconfirmed and known.order >= event.order:
            return
        if is_shown and event.order < self._ahead.get(key, 0):
            self._announced[key] = None if isinstance(event, ItemRemoved) else event.item
            self._announce_change(event, known)
            return
        self._announced.pop(key, None)
        if not self.complete:
            self._changed[key] = event.order
        self._unconfirmed.discard(key)
        if isinstance(event, ItemRemoved):
            self._remove(key)
        else:
            self._put(event.item)
        self._announce_change(event, known)

    def _announce_change(self, event: ItemEvent[Any, K], known: Item[Any, K] | None) -> None:
        """Announce a change of the state `known`, None for no item."""
        if isinstance(event, ItemRemoved):
            if known is None and self.complete:
                return
            if event.json is None and known is not None:
                event = replace(event, json=known.json)
            self._announce(event)
            return
        is_added = known is None if self.complete else isinstance(event, ItemAdded)
        self._announce(_difference(known, event.item, is_added, event.is_local))

    def _lose(self, key: K, order: int) -> None:
        """Process that an item that was ahead is gone, at the revision `order` or before."""
        ahead = self._ahead.pop(key)
        self.apply(ItemRemoved(key=key, order=max(order, ahead + 1)))

    def _read_one(self, item: Item[Any, K]) -> None:
        shown = self.items.get(item.key)
        known = self._announced.pop(item.key, shown)
        is_new = shown is None or item.key in self._unconfirmed or shown.order < item.order
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
