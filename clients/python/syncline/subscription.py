"""One open document, shared by all its handles."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from syncline_protocol import dates, deltas

from .emitter import Emitter
from .events import DocumentEvent, Removed, Updated
from .snapshot import JsonObject, Snapshot

__all__ = ["Removal", "Subscription"]

logger = logging.getLogger("syncline")


@dataclass(frozen=True, slots=True)
class Removal:
    """The end of a document; `body` is the event's, or None if it was only found missing."""

    body: JsonObject | None = None


class Subscription:
    """What the client knows of a document, and what it has told of it.

    The two differ: a reply tells at once what the document is (`current`), but events are told in
    the order of their revisions, each own write once as `is_local`. Hence three rules:

    - An own write is announced when its event comes; or, if the event was lost in a break or joined
      with a later one, just before the next later state.
    - Where events can overtake replies (the fallback, and the state after a break), one waits until
      the writes that were under way when it came are settled: it may be theirs.
    - What is not newer than the last announcement is not told again.
    """

    def __init__(self, snapshot: Snapshot, queue_bound: int) -> None:
        """
        Args:
            snapshot: the state that the reply to `open` told.
            queue_bound: events that may wait for writes; the oldest give way, and are never the
                removal.
        """
        self.current = snapshot
        self.removed = False
        self.handles: set[Emitter[DocumentEvent]] = set()
        self.mutating = asyncio.Lock()
        self.mutation: object | None = None  # marks the `mutate` that has the lock
        self._announced = snapshot
        # What the server last told by itself, not by the reply to a write: deltas begin there.
        self._told = snapshot
        self._missed = 0  # the newest revision whose event could not be understood
        self._own: dict[int, Snapshot | None] = {}
        self._removed_here = False
        self._tickets = itertools.count(1)
        self._last_ticket = 0
        self._under_way: set[int] = set()
        self._waiting: deque[tuple[int, Snapshot | Removal]] = deque(maxlen=queue_bound)

    @property
    def sid(self) -> str:
        """The document's SID."""
        return self.current.sid

    @property
    def is_lost(self) -> bool:
        """True while there is a newer state that only a reply to `open` can tell."""
        return self._missed > self._told.revision

    def adopt(self, snapshot: Snapshot) -> None:
        """Take a state that a reply told, if it is newer."""
        if snapshot.revision > self.current.revision:
            self.current = snapshot

    def go_back(self, snapshot: Snapshot, held: Snapshot) -> bool:
        """Take a state that is older than the current one, if the data set was put back.

        `held` is what was current when the client sent the request whose reply brought `snapshot`.
        The server had committed it, so only another data set (a restored one, or that of a master
        that lost writes) can be behind it. A state that merely came late is older than what came
        since, but never older than `held`.

        Returns:
            False if that is not so, and nothing was taken.
        """
        if snapshot.revision >= held.revision or self.current.revision != held.revision:
            return False
        self.current = self._told = snapshot
        self._missed = 0
        self._own.clear()
        self._waiting = deque(
            ((ticket, news) for ticket, news in self._waiting if isinstance(news, Removal)),
            maxlen=self._waiting.maxlen,
        )
        previous, self._announced = self._announced, snapshot
        if not self.removed:
            self._emit(Updated(snapshot, previous, is_local=False))
        return True

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Surrounds each own write, from before it is sent until its reply is taken."""
        ticket = self._last_ticket = next(self._tickets)
        self._under_way.add(ticket)
        try:
            yield
        finally:
            self._under_way.discard(ticket)
            self._release()

    def wrote(self, revision: int, snapshot: Snapshot | None) -> None:
        """An own write was applied; `snapshot` is None if its data is not known."""
        if revision > self._announced.revision:
            self._own[revision] = snapshot
        if snapshot is not None:
            self.adopt(snapshot)

    def wrote_removal(self) -> None:
        """An own removal was carried out."""
        self._removed_here = True

    def update(self, body: JsonObject, *, may_be_early: bool) -> None:
        """Take the `document` of an `updated` event, which may tell only what has changed.

        If it tells nothing because another state is held than it begins from, the subscription
        is lost.
        """
        try:
            json = None if "data" in body else self._data_of(body)
        except deltas.Inapplicable as error:
            logger.warning("%s is asked for as a whole: %s", self.sid, error)
            self._missed = max(self._missed, int(body["revision"]))
        else:
            self.receive(Snapshot.parse(body, self.current, json), may_be_early=may_be_early)

    def receive(self, news: Snapshot | Removal, *, may_be_early: bool) -> None:
        """Take news of the server; `may_be_early` if it can have overtaken the reply to a write."""
        if isinstance(news, Snapshot) and news.revision > self._told.revision:
            self._told = news
        # In the place of the same revision from a reply: REST tells whole seconds only.
        if isinstance(news, Snapshot) and news.revision >= self.current.revision:
            self.current = news
        self._waiting.append((self._last_ticket if may_be_early else 0, news))
        self._release()

    def end(self, error: Exception | None) -> None:
        """No news will come; tell the handles why."""
        for handle in list(self.handles):
            handle.end(error)

    def _data_of(self, body: JsonObject) -> bytes:
        """The data that an event without it means (docs/protocol.md, section 5)."""
        revision = int(body["revision"])
        known = self.current if self.current.revision == revision else self._own.get(revision)
        if known is not None:
            return known.json
        delta = body.get("delta")
        if not isinstance(delta, dict) or body["previous_revision"] != str(self._told.revision):
            raise deltas.Inapplicable("it is not held at the revision before")
        return deltas.applied(self._told.json, delta.get("operations"), delta.get("digest"))

    def _release(self) -> None:
        while self._waiting:
            ticket, news = self._waiting[0]
            if any(under_way <= ticket for under_way in self._under_way):
                return
            self._waiting.popleft()
            if isinstance(news, Removal):
                self._announce_removal(news)
            else:
                self._announce(news)

    def _announce(self, snapshot: Snapshot) -> None:
        self._announce_own_before(snapshot.revision)
        is_local = snapshot.revision in self._own
        self._own.pop(snapshot.revision, None)
        self._tell(snapshot, is_local)

    def _announce_own_before(self, revision: int | None) -> None:
        for own in sorted(r for r in self._own if revision is None or r < revision):
            snapshot = self._own.pop(own)
            if snapshot is not None:
                self._tell(snapshot, is_local=True)

    def _tell(self, snapshot: Snapshot, is_local: bool) -> None:
        if snapshot.revision > self._announced.revision and not self.removed:
            event = Updated(snapshot, self._announced, is_local)
            self._announced = snapshot
            self._emit(event)

    def _announce_removal(self, removal: Removal) -> None:
        if self.removed:
            return
        self._announce_own_before(None)
        self.removed = True
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
        """True once the known expiry has passed."""
        expires = self._announced.date_expires
        return expires is not None and expires <= datetime.now(UTC)

    def _emit(self, event: DocumentEvent) -> None:
        for handle in list(self.handles):
            handle.emit(event)
