"""Waits until an item of a list or map is as an application wants it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Protocol

from syncline_protocol.errors import Code

from .errors import InvalidRequest
from .event_queue import EventQueue
from .item import Item
from .item_events import CollectionEvent, ItemAdded, ItemUpdated, Reset
from .part import Part
from .type_variables import K, T
from .waiting import deadline, is_met

__all__ = ["ItemWaiting"]


class Items(Protocol[T, K]):
    """A list or map that is open."""

    @property
    def part(self) -> Part:
        """The part that is open."""

    def events(self) -> EventQueue[CollectionEvent[T, K]]:
        """Iterate over the events from now on."""

    async def get(self, key: K) -> Item[T, K] | None:
        """Read an item."""

    def _check_open(self) -> None: ...

    def _check_key(self, key: Any) -> None: ...

    def _why_ended(self) -> Exception: ...


class ItemWaiting(Generic[T, K]):
    """Waits for an item of a list or map."""

    async def wait_for(
        self: Items[T, K],
        key: K,
        predicate: Callable[[T], object],
        *,
        timeout: float | None = None,
    ) -> Item[T, K]:
        """Wait until an item is there and its data is as wanted.

        Args:
            predicate: a sync function, called with the data of the item and then with that of each
                update, until its result is true.
            timeout: seconds; None waits without end.

        Raises:
            TimeoutError: `timeout` has passed.
            InvalidRequest: the item does not belong to the part that is open.
            NotFound: the list or map was removed.
            ModelMismatch: data came that does not fit the model.
        """
        self._check_open()
        self._check_key(key)
        if not self.part.has(key):
            message = f"The item {key!r} does not belong to the part that this handle has open."
            raise InvalidRequest.local(Code.INVALID_PARAMETER, message)
        # Listening begins before the first look, so that no change is missed in between.
        events = self.events()
        async with deadline(timeout, f"the item {key!r}"):
            item = await self.get(key)
            if item is not None and is_met(predicate, item.data):
                return item
            async for event in events:
                if isinstance(event, Reset):
                    item = await self.get(key)
                elif isinstance(event, ItemAdded | ItemUpdated) and event.key == key:
                    item = event.item
                else:
                    continue
                if item is not None and is_met(predicate, item.data):
                    return item
        raise self._why_ended()
