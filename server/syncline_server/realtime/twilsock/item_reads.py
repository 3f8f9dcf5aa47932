"""At which revisions a client has read items of collections that it has not open yet."""

from __future__ import annotations

from syncline_protocol.objects import Header

__all__ = ["ItemReads"]

COLLECTIONS_LIMIT = 1_000
"""Collections that are remembered, at most; a further one replaces the one read first."""


class ItemReads:
    """The oldest revision at which a client may have items, by the SID of their collection.

    The JavaScript SDK can subscribe to a collection without the id of an event, and read items
    before the subscription is established. Their changes in between are those since the read.
    """

    __slots__ = ("_revisions",)

    def __init__(self) -> None:
        self._revisions: dict[str, int] = {}

    def record(self, collection: Header) -> None:
        """Remember that the client has read items of a collection."""
        self._revisions.setdefault(collection.sid, collection.revision)
        if len(self._revisions) > COLLECTIONS_LIMIT:
            del self._revisions[next(iter(self._revisions))]

    def revision(self, sid: str) -> int | None:
        """The revision from which the client needs the changes; None if it has read no item."""
        return self._revisions.get(sid)

    def forget(self, sid: str) -> None:
        """The client is up to date, or has closed the collection."""
        self._revisions.pop(sid, None)
