"""The copy of one collection at an observer whose wire has the native messages."""

from __future__ import annotations

from dataclasses import dataclass, field

from syncline import JsonObject

from .collection import STREAM, Collection
from .sight import ItemSight
from .wire_items import change_of, item_of

__all__ = ["PAGE_LIMIT", "CopyKeeper"]

PAGE_LIMIT = 500
"""Items of a first page, at most: more than a collection of a run has."""


@dataclass(slots=True)
class CopyKeeper:
    """Takes the messages about one collection, and passes them to a sight.

    Attributes:
        revision: from which to resume (rule C23); None if all items must be read.
        waiting: events that came while there is no copy: the page that makes one may be older.
    """

    collection: Collection
    sight: ItemSight
    revision: int | None = None
    waiting: list[tuple[str, JsonObject]] = field(default_factory=list)

    def open(self, began: float, body: JsonObject) -> bool:
        """Take the reply to `open`; False if all items must be read again."""
        sid, head = self.collection.sid, int(body[self.collection.type]["revision"])
        if "changes" in body:
            self._resume(body, head)
        elif body.get("reset"):
            # The server does not know what changed since: nothing follows from what was seen.
            self.lose("the changes since are not known")
            return False
        elif "items" in body or self.collection.type == STREAM:
            assert body.get("next") is None, "a collection of a run fits the first page"
            items = [item_of(self.collection, each) for each in body.get("items", ())]
            self.sight.open(sid, began, head, items)
            self.revision = head
            self._take_waiting()
        return True

    def lose(self, reason: str) -> None:
        """Forget the copy: all items must be read again."""
        self.revision = None
        self.waiting.clear()
        self.sight.lose(reason)
        self.sight.connect()

    def take(self, event: str, body: JsonObject) -> None:
        """Take an event; `reset` makes the copy void."""
        sid, members = self.collection.sid, body[self.collection.type]
        match event:
            case "message":
                write = body["message"]["data"].get("w")
                return self.sight.receive(sid, write)
            case "missed":
                return self.sight.miss(sid, int(body["count"]))
            case "removed":
                return self.sight.remove(sid, int(members["revision"]), members["expired"])
            case "reset":
                return self.lose("the store has lost writes")
            case "items" | "expiry" if self.revision is None:
                self.waiting.append((event, body))
            case "items" | "expiry":
                revision, previous = int(members["revision"]), int(members["previous_revision"])
                changes = [change_of(self.collection, each) for each in body.get("changes", ())]
                self.sight.change(sid, revision, previous, changes)
                self.revision = max(self.revision or 0, revision)

    def _take_waiting(self) -> None:
        waiting, self.waiting = self.waiting, []
        for event, body in waiting:
            if int(body[self.collection.type]["revision"]) > (self.revision or 0):
                self.take(event, body)

    def _resume(self, body: JsonObject, head: int) -> None:
        more_since = body["more_since"]
        end = head if more_since is None else int(more_since)
        since = self.revision
        assert since is not None
        # The reply to an `open` that was sent twice has changes that are known.
        if end > since:
            changes = [change_of(self.collection, each) for each in body["changes"]]
            self.sight.replay(
                self.collection.sid,
                since,
                end,
                [each for each in changes if each.revision > since],
                is_adopted=True,
                head=None if more_since is None else head,
            )
            self.revision = end
