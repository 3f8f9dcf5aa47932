"""Events of documents and of the connection."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Generic

from .header import JsonObject
from .snapshot import Snapshot
from .type_variables import T

if TYPE_CHECKING:
    from .models.codec import ModelCodec

__all__ = [
    "ConnectionState",
    "DocumentEvent",
    "Removal",
    "Removed",
    "StateChanged",
    "Updated",
]


@dataclass(frozen=True, slots=True)
class Removal:
    """The end of an object; `body` is that of the event, None if the object was not found."""

    body: JsonObject | None = None


@dataclass(frozen=True, slots=True)
class Updated(Generic[T]):
    """The document has a new revision: new data, or a new expiry.

    Attributes:
        snapshot: the document at that revision.
        previous: the document at the event before this one, or as it was opened.
        is_local: True if this client wrote the revision, through any of its handles.
    """

    name: ClassVar[str] = "updated"

    snapshot: Snapshot[T]
    previous: Snapshot[T]
    is_local: bool

    @property
    def data(self) -> T:
        """The new data; a copy that the caller may change.

        Raises:
            ModelMismatch: it does not fit the model of the handle; `snapshot.json` has it.
        """
        return self.snapshot.data

    @property
    def previous_data(self) -> T:
        """The data of `previous`; a copy that the caller may change."""
        return self.previous.data

    @property
    def revision(self) -> str:
        """The new revision."""
        return str(self.snapshot.revision)

    @property
    def updated_by(self) -> str:
        """Identity that wrote the revision, or `system`."""
        return self.snapshot.updated_by

    @property
    def date_updated(self) -> datetime:
        """When the revision was written, UTC."""
        return self.snapshot.date_updated

    @property
    def date_expires(self) -> datetime | None:
        """When the document expires, UTC; None if never."""
        return self.snapshot.date_expires

    def following(self, earlier: Updated[T]) -> Updated[T]:
        """Merge this event with `earlier`, for a slow reader."""
        return replace(self, previous=earlier.previous)

    def with_codec(self, codec: ModelCodec[Any]) -> Updated[Any]:
        """Return the same event with the data of a model."""
        previous = self.previous.with_codec(codec)
        return Updated(self.snapshot.with_codec(codec), previous, self.is_local)


@dataclass(frozen=True, slots=True)
class Removed(Generic[T]):
    """The document was removed; no event follows.

    Attributes:
        sid: SID of the document.
        previous: the document at the event before this one, or as it was opened.
        is_local: True if this client removed the document.
        revision: revision of the removal; None if the client was not connected then.
        removed_by: identity that removed it, `system` for an expiry; None as for `revision`.
        expired: True if the document expired; None as for `revision`, unless the last known expiry
            has passed (then True).
        date_removed: UTC; None as for `revision`.
    """

    name: ClassVar[str] = "removed"

    sid: str
    previous: Snapshot[T]
    is_local: bool
    revision: str | None = None
    removed_by: str | None = None
    expired: bool | None = None
    date_removed: datetime | None = None

    @property
    def data(self) -> None:
        """None: a removed document has no data."""
        return None

    @property
    def previous_data(self) -> T:
        """The last data; a copy that the caller may change."""
        return self.previous.data

    @property
    def updated_by(self) -> str | None:
        """Alias of `removed_by`."""
        return self.removed_by

    def following(self, earlier: Removed[T]) -> Removed[T]:
        """Return this event: a document is removed only once."""
        return self

    def with_codec(self, codec: ModelCodec[Any]) -> Removed[Any]:
        """Return the same event with the data of a model."""
        return replace(self, previous=self.previous.with_codec(codec))


DocumentEvent = Updated[T] | Removed[T]
"""Event of a document."""


class ConnectionState(StrEnum):
    """State of the client's connection."""

    CONNECTING = "connecting"
    """The client opens its first connection, or reconnects."""

    CONNECTED = "connected"

    WAITING = "waiting"
    """The connection broke, or an attempt failed; the client pauses before the next attempt."""

    CLOSED = "closed"
    """Permanent: after `close()`, or because the server refused the client."""


@dataclass(frozen=True, slots=True)
class StateChanged:
    """The state of the connection has changed.

    Attributes:
        state: the new state.
        previous: the state before.
        transport: `websocket` or `rest` while connected, else None.
        error: why the connection ended; None otherwise.
    """

    name: ClassVar[str] = "state"

    state: ConnectionState
    previous: ConnectionState
    transport: str | None = None
    error: Exception | None = None

    def following(self, earlier: StateChanged) -> StateChanged:
        """Merge this change with `earlier`, for a slow reader."""
        return replace(self, previous=earlier.previous)
