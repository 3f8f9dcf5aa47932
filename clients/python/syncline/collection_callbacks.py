"""Listeners of a list, map or replica: callbacks and iterators."""

from __future__ import annotations

from typing import Any, Generic, Literal, overload

from .emitter import Callback, Emitter
from .event_queue import EventQueue
from .item_events import CollectionEvent, ItemAdded, ItemRemoved, ItemUpdated, Reset
from .listening import Decorator, Unsubscribe, listen
from .object_events import ExpiryChanged, ObjectRemoved
from .open_objects import OpenObjects
from .type_variables import K, T

__all__ = ["CollectionCallbacks"]


class CollectionCallbacks(Generic[T, K]):
    """The listeners of one handle of a list or map, or of one replica."""

    _objects: OpenObjects
    _events: Emitter[CollectionEvent[T, K]]

    @overload
    def on(
        self, name: Literal["item_added"], callback: Callback[ItemAdded[T, K]]
    ) -> Unsubscribe: ...

    @overload
    def on(
        self, name: Literal["item_updated"], callback: Callback[ItemUpdated[T, K]]
    ) -> Unsubscribe: ...

    @overload
    def on(
        self, name: Literal["item_removed"], callback: Callback[ItemRemoved[T, K]]
    ) -> Unsubscribe: ...

    @overload
    def on(self, name: Literal["reset"], callback: Callback[Reset]) -> Unsubscribe: ...

    @overload
    def on(self, name: Literal["expiry"], callback: Callback[ExpiryChanged]) -> Unsubscribe: ...

    @overload
    def on(self, name: Literal["removed"], callback: Callback[ObjectRemoved]) -> Unsubscribe: ...

    @overload
    def on(self, name: Literal["item_added"]) -> Decorator[ItemAdded[T, K]]: ...

    @overload
    def on(self, name: Literal["item_updated"]) -> Decorator[ItemUpdated[T, K]]: ...

    @overload
    def on(self, name: Literal["item_removed"]) -> Decorator[ItemRemoved[T, K]]: ...

    @overload
    def on(self, name: Literal["reset"]) -> Decorator[Reset]: ...

    @overload
    def on(self, name: Literal["expiry"]) -> Decorator[ExpiryChanged]: ...

    @overload
    def on(self, name: Literal["removed"]) -> Decorator[ObjectRemoved]: ...

    def on(self, name: str, callback: Any = None) -> Any:
        """Call `callback`, sync or async, with each event of that name, one at a time.

        Without a callback it is a decorator::

            @cards.on("item_updated")
            def changed(event: syncline.ItemUpdated[Card]) -> None: ...

        What a callback raises is logged, and the next event comes as always.

        Returns:
            a function that removes the callback; as a decorator, the function as it is.

        Raises:
            ValueError: there is no event of that name; the message lists the names.
            UsageError: `callback` is no function.
        """
        return listen(self._events, name, callback, self._objects.check_loop)

    def events(self) -> EventQueue[CollectionEvent[T, K]]:
        """Return an iterator over the events from this call on.

        The iterator ends after `ObjectRemoved`, or when the handle or the client is closed. If the
        client is permanently disconnected, it raises the reason.
        """
        self._objects.check_loop()
        return self._events.events()
