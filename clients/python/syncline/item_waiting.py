"""Waits until an item of a list or map is as an application wants it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from syncline_protocol.errors import Code

from .errors import InvalidRequest
from .event_queue import EventQueue
from .item import Item
from .item_events import CollectionEvent, ItemAdded, ItemUpdated, Reset
from .part import Part
from .type_variables import K, T
from .waiting import deadline, is_met

__all__ = ["wait_for_item"]


class Items(Protocol[T, K]):
    """A list or map that is open."""

    @property
    def part(self) -> Part:
        """The part that is open."""

    def events(self) -> EventQueue[CollectionEvent[T, K]]:
        """Iterate over the events from now on."""

    async def get(self, key: K) -> Item[T, K] | None:
        """Read an item."""


async def wait_for_item(
    items: Items[T, K], key: K, predicate: Callable[[T], object], timeout: float | None
) -> Item[T, K] | None:
    """Wait until an item is there and the predicate is true for its data.

    Returns:
        None if no event follows.
    """
    if not items.part.has(key):
        message = f"The item {key!r} does not belong to the part that this handle has open."
        raise InvalidRequest.local(Code.INVALID_PARAMETER, message)
    # Listening begins before the first look, so that no change is missed in between.
    events = items.events()
    async with deadline(timeout, f"the item {key!r}"):
        item = await items.get(key)
        if item is not None and is_met(predicate, item.data):
            return item
        async for event in events:
            if isinstance(event, Reset):
                item = await items.get(key)
            elif isinstance(event, ItemAdded | ItemUpdated) and event.key == key:
                item = event.item
            else:
                continue
            if item is not None and is_met(predicate, item.data):
                return item
    return None
