"""Data of changes that come as deltas (docs/protocol.md, section 5 and rule C33)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from syncline_protocol import deltas

from .header import JsonObject
from .item import Item, key_of
from .item_events import ItemEvent, ItemRemoved

__all__ = ["ItemDeltas"]

Known = Callable[[Any], Item[Any] | None]
"""Returns the item with a key; None if it is not known, or not known to be right."""


class ItemDeltas:
    """The items that deltas of one collection begin from.

    A replica has them, except changes that have come and still wait for an own write (rule C13).
    """

    def __init__(self) -> None:
        # The newest waiting change by key. None: its item was removed.
        self._waiting: dict[Any, Item[Any] | None] = {}
        self._waiting_resets = 0

    def receive(self, changes: Iterable[ItemEvent[Any]]) -> None:
        """Remember changes that may have to wait."""
        for change in changes:
            self._waiting[change.key] = None if isinstance(change, ItemRemoved) else change.item

    def deliver(self, changes: Iterable[ItemEvent[Any]]) -> None:
        """Forget changes that wait no longer: the replicas receive them."""
        for change in changes:
            waiting = self._waiting.get(change.key)
            if waiting is None or waiting.order <= change.order:
                self._waiting.pop(change.key, None)

    def receive_reset(self) -> None:
        """A reset has come, and may have to wait. Until then no item is known to be right."""
        self._waiting.clear()
        self._waiting_resets += 1

    def deliver_reset(self) -> None:
        """A reset waits no longer."""
        self._waiting_resets -= 1

    def drop(self) -> None:
        """All that waited was dropped, and a reset waits in its place."""
        self._waiting.clear()
        self._waiting_resets = 1

    def json_of(self, change: JsonObject, known: Known) -> bytes | None:
        """The data of a change without data; None if a page has overtaken it: it says nothing new.

        Args:
            known: of a replica that has all items.

        Raises:
            Inapplicable: the client does not have the item that the delta begins from, or the delta
                does not lead to the data that the server meant.
        """
        key, order = key_of(change), int(change["revision"])
        item = self._waiting[key] if key in self._waiting else known(key)
        if item is None or self._waiting_resets:
            raise deltas.Inapplicable("this client does not have the item")
        if item.order >= order:
            return item.json if item.order == order else None
        delta = change.get("delta")
        if not isinstance(delta, dict) or change.get("previous_revision") != item.revision:
            raise deltas.Inapplicable("this client does not have the item at the revision before")
        return deltas.applied(item.json, delta.get("operations"), delta.get("digest"))
