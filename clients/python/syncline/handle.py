"""What the handles of lists, maps and streams share: header, events, expiry, removal."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from types import TracebackType
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

from syncline_protocol.errors import Code

from .attempts import make_op
from .display import Shown
from .emitter import Emitter
from .errors import ClientClosed, HandleClosed, NotFound
from .event_queue import E, EventQueue
from .header import Header, JsonObject
from .object_state import ObjectState
from .open_objects import OpenObjects

__all__ = ["ObjectHandle"]


class State(ObjectState, Protocol):
    """State of an object that has a header and no data."""

    @property
    def header(self) -> Header:
        """The newest known header."""

    @property
    def removed(self) -> bool:
        """True once the client knows that the object was removed."""

    def attach(self, listener: Any) -> None:
        """Add a listener."""

    def detach(self, listener: Any) -> None:
        """Remove a listener."""

    def wrote_header(self, body: JsonObject) -> None:
        """Adopt the header in the reply to a write."""

    def wrote_removal(self) -> None:
        """Record that this client removed the object."""


S = TypeVar("S", bound=State)


class ObjectHandle(Shown, Generic[S, E]):
    """Handle of an open list, map or stream.

    Attributes:
        ttl_verb, remove_verb: the requests that set the expiry of the whole, and remove it.
    """

    ttl_verb: ClassVar[str] = "ttl"
    remove_verb: ClassVar[str] = "remove"

    def __init__(
        self, objects: OpenObjects, subscription: S, events: Emitter[E], listener: object
    ) -> None:
        """`listener`: what `subscription` notifies for `events`."""
        self._objects = objects
        self._subscription = subscription
        self._events = events
        self._listener = listener
        self._closed = False
        subscription.attach(listener)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.unique_name or self.sid} at revision {self.revision}>"

    @property
    def sid(self) -> str:
        """Two letters for the type and 32 hexadecimal digits."""
        return self._subscription.sid

    @property
    def unique_name(self) -> str | None:
        """Unique name; None if it has none."""
        return self._subscription.header.unique_name

    @property
    def revision(self) -> str:
        """Newest known revision."""
        return str(self._subscription.header.revision)

    @property
    def date_created(self) -> datetime:
        """When it was created, UTC."""
        return self._subscription.header.date_created

    @property
    def date_updated(self) -> datetime:
        """When the newest known revision was written, UTC."""
        return self._subscription.header.date_updated

    @property
    def date_expires(self) -> datetime | None:
        """When it expires with all that it holds, UTC; None if never."""
        return self._subscription.header.date_expires

    @property
    def created_by(self) -> str:
        """Identity of the creator, or `system`."""
        return self._subscription.header.created_by

    @property
    def updated_by(self) -> str:
        """Identity that wrote the newest known revision, or `system`."""
        return self._subscription.header.updated_by

    @property
    def removed(self) -> bool:
        """True once the client knows that it was removed; perhaps before the event."""
        return self._subscription.removed

    async def set_ttl(self, ttl: int) -> None:
        """Change the expiry of the whole.

        Args:
            ttl: time to live in seconds from now; 0: never expires.

        Raises:
            InvalidRequest: `ttl` is out of range.
        """

        def take(ok: JsonObject) -> None:
            self._subscription.wrote_header(ok[self._subscription.type])

        with self._subscription.writing():
            await self._request(self.ttl_verb, take, ttl=ttl, op=make_op())

    async def close(self) -> None:
        """Close this handle and its listeners; the last handle unsubscribes. Safe to repeat."""
        self._objects.check_loop()
        if not self._closed:
            self._closed = True
            self._events.close()
            self._subscription.detach(self._listener)
            await self._objects.release(self._subscription)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def events(self) -> EventQueue[E]:
        """Return an iterator over the events from this call on.

        The iterator ends after `ObjectRemoved`, or when the handle or the client is closed. If the
        client is permanently disconnected, it raises the reason.
        """
        self._objects.check_loop()
        return self._events.events()

    def _why_ended(self) -> Exception:
        """Why no event follows, once an iterator has ended without an error."""
        if self._closed:
            return HandleClosed()
        return NotFound.local(Code.NOT_FOUND, "It was removed.") if self.removed else ClientClosed()

    async def _remove_whole(self) -> None:
        with self._subscription.writing():
            await self._request(
                self.remove_verb, lambda ok: self._subscription.wrote_removal(), op=make_op()
            )

    async def _request(self, do: str, receive: Callable[[JsonObject], Any], **members: Any) -> Any:
        self._check_open()
        named: JsonObject = {self._subscription.type: self.sid}
        return await self._objects.request(do, receive, **named, **members)

    def _check_open(self) -> None:
        self._objects.check_loop()
        if self._closed:
            raise HandleClosed
