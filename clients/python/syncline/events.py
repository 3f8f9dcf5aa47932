"""What the client tells: changes of a document, changes of the connection."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from .snapshot import JsonObject, Snapshot

__all__ = ["ConnectionState", "DocumentEvent", "Removed", "StateChanged", "Updated"]


@dataclass(frozen=True, slots=True)
class Updated:
    """The document has a new revision: new data, or a new expiry.

    Attributes:
        snapshot: the document at that revision.
        previous: the document as the event before this one told it, or as it was opened.
        is_local: True if this client wrote it, through whichever handle.
    """

    name: ClassVar[str] = "updated"

    snapshot: Snapshot
    previous: Snapshot
    is_local: bool

    @property
    def data(self) -> JsonObject:
        """The new data; a copy that the caller may change."""
        return self.snapshot.data

    @property
    def previous_data(self) -> JsonObject:
        """The data before; a copy that the caller may change."""
        return self.previous.data

    @property
    def revision(self) -> str:
        """The new revision."""
        return str(self.snapshot.revision)

    @property
    def updated_by(self) -> str:
        """The identity that wrote, or `system`."""
        return self.snapshot.updated_by

    @property
    def date_updated(self) -> datetime:
        """When it was written, UTC."""
        return self.snapshot.date_updated

    @property
    def date_expires(self) -> datetime | None:
        """When the document will expire, UTC; None if never."""
        return self.snapshot.date_expires

    def following(self, earlier: Updated) -> Updated:
        """This event and `earlier` as one, for a reader that is too slow for both."""
        return replace(self, previous=earlier.previous)


@dataclass(frozen=True, slots=True)
class Removed:
    """The document is gone; no event follows.

    Attributes:
        sid: of the document.
        previous: the document as the event before this one told it, or as it was opened.
        is_local: True if this client removed it.
        revision: of the removal; None if it happened while there was no connection.
        removed_by: the identity, `system` for an expiry; None if not known, as above.
        expired: True if its time to live ran out; None if not known, as above. Found missing after
            its known expiry, it counts as expired.
        date_removed: UTC; None if not known, as above.
    """

    name: ClassVar[str] = "removed"

    sid: str
    previous: Snapshot
    is_local: bool
    revision: str | None = None
    removed_by: str | None = None
    expired: bool | None = None
    date_removed: datetime | None = None

    @property
    def data(self) -> None:
        """There is none any more."""
        return None

    @property
    def previous_data(self) -> JsonObject:
        """The last data; a copy that the caller may change."""
        return self.previous.data

    @property
    def updated_by(self) -> str | None:
        """The same as `removed_by`."""
        return self.removed_by

    def following(self, earlier: Removed) -> Removed:
        """A document is removed once."""
        return self


DocumentEvent = Updated | Removed
"""What a document tells its listeners."""


class ConnectionState(StrEnum):
    """Where the client stands."""

    CONNECTING = "connecting"
    """The first connection, or the next one after a break, is being made."""

    CONNECTED = "connected"

    WAITING = "waiting"
    """The connection broke; a pause before the next attempt."""

    CLOSED = "closed"
    """For good: by `close()`, or because the server said so."""


@dataclass(frozen=True, slots=True)
class StateChanged:
    """The connection is in another state.

    Attributes:
        state: the new one.
        previous: the one before.
        transport: `websocket` or `rest` while connected, else None.
        error: why the connection ended; None otherwise.
    """

    name: ClassVar[str] = "state"

    state: ConnectionState
    previous: ConnectionState
    transport: str | None = None
    error: Exception | None = None

    def following(self, earlier: StateChanged) -> StateChanged:
        """This change and `earlier` as one, for a reader that is too slow for both."""
        return replace(self, previous=earlier.previous)
