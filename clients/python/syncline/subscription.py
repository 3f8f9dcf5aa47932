"""State of one open document, shared by its handles, and the order of its events."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any

from syncline_protocol import dates, deltas
from syncline_protocol.objects import DOCUMENT

from .emitter import Emitter
from .event_order import EventOrder
from .events import DocumentEvent, Removal, Removed, Updated
from .header import JsonObject
from .mutation import Contention
from .mutation_queue import MutationQueue
from .snapshot import Snapshot
from .transport import Receive

__all__ = ["Subscription"]

logger = logging.getLogger("syncline")


class Subscription:
    """State of one document: what the client knows, and what it has announced to the handles.

    The two differ. A reply changes `current` at once; events are announced by the rules C12, C13
    and C16 of docs/protocol.md.
    """

    type = DOCUMENT.name

    def __init__(self, snapshot: Snapshot, queue_bound: int) -> None:
        """
        Args:
            snapshot: the state in the reply to `open`.
            queue_bound: maximum number of events that wait for writes. Beyond it the oldest is
                dropped; a removal comes last and so is never dropped.
        """
        self.current = snapshot
        self.handles: set[Emitter[Any]] = set()
        self.mutations = MutationQueue()
        self.contention = Contention()
        self._announced = snapshot
        # The last state that the server sent by itself, not as the reply to a write. The server
        # computes each delta from it.
        self._delivered = snapshot
        self._missed = 0  # newest revision whose delta could not be applied
        # Own writes that are not announced yet, by revision; None if the data is not known.
        self._own: dict[int, Snapshot | None] = {}
        self._removed_here = False
        self._removal_announced = False
        self._order: EventOrder[Snapshot | Removal] = EventOrder(queue_bound, self._deliver)
        self.on_lost: Callable[[], None] = _ignore

    @property
    def sid(self) -> str:
        """The document's SID."""
        return self.current.sid

    @property
    def unique_name(self) -> str | None:
        """The document's unique name."""
        return self.current.unique_name

    @property
    def removed(self) -> bool:
        """True once the client knows that the document was removed; perhaps before the event."""
        return self._removed_here or self._removal_announced

    @property
    def is_lost(self) -> bool:
        """True while a newer state exists that the client can only get by `open`."""
        return self._missed > self._delivered.revision

    def adopt(self, snapshot: Snapshot) -> None:
        """Make the state in a reply the current one if it is newer."""
        if snapshot.revision > self.current.revision:
            self.current = snapshot

    def go_back(self, snapshot: Snapshot, before: Snapshot) -> bool:
        """Go back to an older state if the server's data set went back (rule C14).

        `before` is the state that was current when the client sent the request whose reply brought
        `snapshot`. A reply that is only late may be older than `current`, but never older than
        `before`.

        Returns:
            False if the data set did not go back; then nothing has changed.
        """
        if snapshot.revision >= before.revision or self.current.revision != before.revision:
            return False
        self.current = self._delivered = snapshot
        self._missed = 0
        self._own.clear()
        # Events of the lost data set are not announced, but the document stays removed.
        self._order.drop(lambda news: isinstance(news, Removal))
        previous, self._announced = self._announced, snapshot
        if not self._removal_announced:
            self._emit(Updated(snapshot, previous, is_local=False))
        return True

    def take_newest(self, snapshot: Snapshot, before: Snapshot) -> None:
        """Process the newest state, as a reply or a refusal has brought it.

        It is older than `before` (as in `go_back`) only if the server's data set went back; else it
        is adopted if it is newer than `current`.
        """
        if not self.go_back(snapshot, before):
            self.adopt(snapshot)

    def reconnected(self) -> None:
        """Prepare for a new connection."""
        self._order.reconnected()

    def writing(self) -> AbstractContextManager[None]:
        """Wrap an own write, from before it is sent until its reply is processed."""
        return self._order.writing()

    def wrote(self, revision: int, snapshot: Snapshot | None) -> None:
        """Record that an own write was applied; `snapshot` is None if its data is not known."""
        if revision > self._announced.revision:
            self._own[revision] = snapshot
        if snapshot is not None:
            self.adopt(snapshot)

    def wrote_removal(self) -> None:
        """Record that this client removed the document."""
        self._removed_here = True

    def update(self, body: JsonObject, *, may_be_early: bool) -> None:
        """Process the `document` of an `updated` event, which may carry a delta instead of data.

        If the delta does not apply to the state that the client has, `is_lost` becomes True, and
        `on_lost` is called to fetch the whole document.
        """
        try:
            json = None if "data" in body else self._data_of(body)
        except deltas.Inapplicable as error:
            logger.warning("the full data of %s are requested again: %s", self.sid, error)
            self._missed = max(self._missed, int(body["revision"]))
            if self.is_lost:
                self.on_lost()
        else:
            self.receive(Snapshot.parse(body, self.current, json), may_be_early=may_be_early)

    def receive(self, news: Snapshot | Removal, *, may_be_early: bool) -> None:
        """Process a state or removal; `may_be_early`: it may come before the reply to its write."""
        if isinstance(news, Snapshot) and news.revision > self._delivered.revision:
            self._delivered = news
        # `>=`: an event replaces the same revision from a REST reply, which has dates in seconds.
        if isinstance(news, Snapshot) and news.revision >= self.current.revision:
            self.current = news
        self._order.put(news, may_be_early=may_be_early)

    def receive_removal(self, removal: Removal, *, may_be_early: bool) -> None:
        """Process the removal of the document."""
        self.receive(removal, may_be_early=may_be_early)

    def take(self, message: JsonObject, *, may_be_early: bool) -> None:
        """Process an event of the server, other than a removal."""
        if message["event"] == "updated":
            self.update(message[self.type], may_be_early=may_be_early)

    def opened_again(self, ok: JsonObject) -> None:
        """Process the reply to an `open` of another handle."""
        # The server sends no event for the state that it replied with, so the handles that
        # already exist are notified here. Events may still overtake this reply on REST.
        self.receive(Snapshot.parse(ok[self.type]), may_be_early=True)

    def reply_missed(self) -> None:
        """Do nothing: a reply to `open` that nobody received has only the newest state."""

    def reopening(self) -> tuple[JsonObject, Receive[None]]:
        """Members of the `open` that catches up, and what processes its reply (rule C11)."""
        before = self.current

        def receive(ok: JsonObject) -> None:
            # A reply without `data` means that the document is at the revision we sent, so the
            # data is that of `before`. `current` may be newer: events came while we waited.
            snapshot = Snapshot.parse(ok[self.type], before)
            if not self.go_back(snapshot, before):
                self.receive(snapshot, may_be_early=True)

        return {"revision": None if self.is_lost else str(before.revision)}, receive

    def end(self, error: Exception | None) -> None:
        """End all handles: no event follows, because of `error` if it is not None."""
        for handle in list(self.handles):
            handle.end(error)

    def _data_of(self, body: JsonObject) -> bytes:
        """Compute the data of an event that does not carry it (section 5, and rule C15)."""
        revision = int(body["revision"])
        # The event of an own write may have neither data nor delta: the client has the data.
        known = self.current if self.current.revision == revision else self._own.get(revision)
        if known is not None:
            return known.json
        delta = body.get("delta")
        if not isinstance(delta, dict) or body["previous_revision"] != str(
            self._delivered.revision
        ):
            raise deltas.Inapplicable("this client does not have the revision before")
        return deltas.applied(self._delivered.json, delta.get("operations"), delta.get("digest"))

    def _deliver(self, news: Snapshot | Removal) -> None:
        if isinstance(news, Removal):
            self._announce_removal(news)
        else:
            self._announce(news)

    def _announce(self, snapshot: Snapshot) -> None:
        self._announce_own_before(snapshot.revision)
        is_local = snapshot.revision in self._own
        self._own.pop(snapshot.revision, None)
        self._notify(snapshot, is_local)

    def _announce_own_before(self, revision: int | None) -> None:
        """Announce own writes whose events were lost or merged into a later one; None: all."""
        for own in sorted(r for r in self._own if revision is None or r < revision):
            snapshot = self._own.pop(own)
            # Without data there is nothing to announce; the later state includes the write.
            if snapshot is not None:
                self._notify(snapshot, is_local=True)

    def _notify(self, snapshot: Snapshot, is_local: bool) -> None:
        # Not newer: after a reconnect, for example, `open` may return a state announced before.
        if snapshot.revision > self._announced.revision and not self._removal_announced:
            event = Updated(snapshot, self._announced, is_local)
            self._announced = snapshot
            self._emit(event)

    def _announce_removal(self, removal: Removal) -> None:
        # A removal may come twice: by its event, and as the 404 to an `open` in flight.
        if self._removal_announced:
            return
        self._announce_own_before(None)
        self._removal_announced = True
        body = removal.body or {}
        date = body.get("date_removed")
        self._emit(
            Removed(
                sid=self.sid,
                previous=self._announced,
                is_local=self._removed_here,
                revision=body.get("revision"),
                removed_by=body.get("removed_by"),
                expired=body.get("expired", self._has_run_out() or None),
                date_removed=None if date is None else dates.parse(date),
            )
        )
        self.end(None)

    def _has_run_out(self) -> bool:
        """Return True if the last known expiry has passed."""
        expires = self._announced.date_expires
        return expires is not None and expires <= datetime.now(UTC)

    def _emit(self, event: DocumentEvent) -> None:
        for handle in list(self.handles):
            handle.emit(event)


def _ignore() -> None:
    """Nobody fetches the state that is missing: the object is not registered yet."""
