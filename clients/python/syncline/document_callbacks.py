"""Listeners of a document: callbacks, iterators, and waiting for data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Literal, overload

from syncline_protocol.errors import Code

from .emitter import Callback, Emitter
from .errors import ClientClosed, DocumentClosed, NotFound
from .event_queue import EventQueue
from .events import DocumentEvent, Removed, Updated
from .listening import Decorator, Unsubscribe, listen
from .open_objects import OpenObjects
from .type_variables import T
from .waiting import deadline, is_met

__all__ = ["DocumentCallbacks"]


class DocumentCallbacks(Generic[T]):
    """The listeners of one handle of a document."""

    _objects: OpenObjects
    _events: Emitter[DocumentEvent[T]]
    _closed: bool

    @property
    def data(self) -> T:
        """Newest known data."""
        raise NotImplementedError

    @property
    def removed(self) -> bool:
        """True once the client knows that the document was removed."""
        raise NotImplementedError

    @overload
    def on(self, name: Literal["updated"], callback: Callback[Updated[T]]) -> Unsubscribe: ...

    @overload
    def on(self, name: Literal["removed"], callback: Callback[Removed[T]]) -> Unsubscribe: ...

    @overload
    def on(self, name: Literal["updated"]) -> Decorator[Updated[T]]: ...

    @overload
    def on(self, name: Literal["removed"]) -> Decorator[Removed[T]]: ...

    def on(self, name: str, callback: Any = None) -> Any:
        """Call `callback` with each event, one at a time, until the handle is closed.

        Without a callback it is a decorator::

            @document.on("updated")
            async def changed(event: syncline.Updated[Lobby]) -> None: ...

        Args:
            name: `updated` (events are `Updated`) or `removed` (`Removed`).
            callback: sync or async. If it is slow, `updated` events are merged into the newest
                state. What it raises is logged, and the next event comes as always.

        Returns:
            a function that removes the callback; as a decorator, the function as it is.

        Raises:
            ValueError: `name` is neither `updated` nor `removed`.
            UsageError: `callback` is no function.
        """
        return listen(self._events, name, callback, self._objects.check_loop)

    def events(self) -> EventQueue[DocumentEvent[T]]:
        """Return an iterator over the events from this call on.

        The iterator ends after `Removed`, or when the handle or the client is closed. If the client
        is permanently disconnected, it raises the reason. A slow reader gets the newest state, not
        every state in between.
        """
        self._objects.check_loop()
        return self._events.events()

    async def wait_for(
        self, predicate: Callable[[T], object], *, timeout: float | None = None
    ) -> T:
        """Wait until the data is as wanted: `await lobby.wait_for(lambda data: data.open)`.

        Args:
            predicate: a sync function, called with the newest data and then with that of each
                update, until its result is true.
            timeout: seconds; None waits without end.

        Returns:
            the data for which the predicate was true.

        Raises:
            TimeoutError: `timeout` has passed.
            NotFound: the document was removed.
            ModelMismatch: data came that does not fit the model.
            DocumentClosed, ClientClosed, ConnectionLost, Unauthorized: as in `Document`.
        """
        if self._closed:
            raise DocumentClosed
        # Listening begins before the first look, so that no update is missed in between.
        events = self.events()
        async with deadline(timeout, "the document"):
            data = self.data
            if is_met(predicate, data):
                return data
            async for event in events:
                if isinstance(event, Removed):
                    break
                data = event.data
                if is_met(predicate, data):
                    return data
        if self._closed:
            raise DocumentClosed
        if self.removed:
            raise NotFound.local(Code.DOCUMENT_NOT_FOUND, "The document was removed.")
        raise ClientClosed
