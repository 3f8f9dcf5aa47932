"""State of one open stream, shared by its handles, and the order of its messages."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import orjson

from syncline_protocol import dates
from syncline_protocol.objects import STREAM

from .emitter import Emitter
from .event_order import EventOrder
from .events import Removal
from .header import Header, JsonObject
from .object_events import ExpiryChanged, ObjectRemoved
from .stream_events import MessagePublished, Missed, StreamEvent
from .transport import Receive

__all__ = ["StreamSubscription"]

OWN_LIMIT = 1024
"""Own messages whose events have not come yet; beyond, the oldest are dropped."""


class StreamSubscription:
    """State of one stream (docs/protocol.md, rule C29).

    Attributes:
        header: the newest known header.
        handles: the emitters of the handles.
    """

    type = STREAM.name
    is_lost = False

    def __init__(self, header: Header, queue_bound: int) -> None:
        """`queue_bound`: maximum number of events that wait for the replies to `publish`."""
        self.header = header
        self.handles: set[Emitter[Any]] = set()
        self.on_lost: Callable[[], None] = lambda: None
        self._last_expiry = header  # the header with the expiry that was announced last
        self._own: dict[str, None] = {}  # SIDs of own messages without their events
        self._order: EventOrder[JsonObject | Missed | ExpiryChanged | Removal] = EventOrder(
            queue_bound, self._deliver, self._overflow
        )
        self._removed_here = False
        self._removal_announced = False

    @property
    def sid(self) -> str:
        """SID of the stream."""
        return self.header.sid

    @property
    def unique_name(self) -> str | None:
        """Unique name; None if the stream has none."""
        return self.header.unique_name

    @property
    def removed(self) -> bool:
        """True once the client knows that the stream was removed."""
        return self._removed_here or self._removal_announced

    def attach(self, events: Emitter[Any]) -> None:
        """Add the emitter of a handle."""
        self.handles.add(events)

    def detach(self, events: Emitter[Any]) -> None:
        """Remove the emitter of a handle."""
        self.handles.discard(events)

    def opened_again(self, ok: JsonObject) -> None:
        """Process the reply to an `open` of another handle."""
        self.wrote_header(ok[self.type])

    def reply_missed(self) -> None:
        """Do nothing: a reply to `open` that nobody received has only a header."""

    def reopening(self) -> tuple[JsonObject, Receive[None]]:
        """Members of the `open` after a break, and what processes its reply."""

        def receive(ok: JsonObject) -> None:
            header = Header.of(ok[self.type])
            expiry = ExpiryChanged.between(self._last_expiry, header)
            self.wrote_header(ok[self.type])
            if expiry is not None and header.revision > self._last_expiry.revision:
                self._last_expiry = header
                self._order.put(expiry, may_be_early=True)

        return {}, receive

    def reconnected(self) -> None:
        """Prepare for a new connection."""
        self._order.reconnected()

    def writing(self) -> AbstractContextManager[None]:
        """Wrap an own write, from before it is sent until its reply is processed."""
        return self._order.writing()

    def published(self, sid: str) -> None:
        """Record that an own message was published."""
        self._own[sid] = None
        if len(self._own) > OWN_LIMIT:
            del self._own[next(iter(self._own))]

    def wrote_header(self, body: JsonObject) -> None:
        """Adopt the header in a reply."""
        header = Header.of(body, self.header)
        if header.revision > self.header.revision:
            self.header = header

    def wrote_removal(self) -> None:
        """Record that this client removed the stream."""
        self._removed_here = True

    def take(self, message: JsonObject, *, may_be_early: bool) -> None:
        """Process an event of the server, other than a removal."""
        match message["event"]:
            case "message":
                self._order.put(message["message"], may_be_early=may_be_early)
            case "missed":
                self._order.put(Missed(count=message["count"]), may_be_early=may_be_early)
            case "expiry":
                self.wrote_header(message[self.type])
                revision = int(message[self.type]["revision"])
                if revision <= self._last_expiry.revision:
                    return  # over REST the state may come again
                self._last_expiry = Header.of(message[self.type], self.header)
                changed = ExpiryChanged(
                    revision=message[self.type]["revision"],
                    date_expires=self.header.date_expires,
                    updated_by=self.header.updated_by,
                )
                self._order.put(changed, may_be_early=may_be_early)

    def receive_removal(self, removal: Removal, *, may_be_early: bool) -> None:
        """Process the removal of the stream."""
        self._order.put(removal, may_be_early=may_be_early)

    def end(self, error: Exception | None) -> None:
        """End all handles: no event follows, because of `error` if it is not None."""
        for handle in list(self.handles):
            handle.end(error)

    def _overflow(self) -> None:
        """Replace the messages that wait by their number."""
        missed = 0

        def is_kept(news: object) -> bool:
            nonlocal missed
            missed += news.count if isinstance(news, Missed) else isinstance(news, dict)
            return not isinstance(news, Missed | dict)

        self._order.drop(is_kept)
        self._order.put(Missed(count=missed), may_be_early=True)

    def _deliver(self, news: JsonObject | Missed | ExpiryChanged | Removal) -> None:
        if self._removal_announced:
            return
        if isinstance(news, Removal):
            # It may come twice: by its event, and as the 404 to an `open` in flight.
            self._removal_announced = True
            self._emit(ObjectRemoved.of(news, self.header, self._removed_here))
            self.end(None)
        elif isinstance(news, dict):
            self._emit(self._message(news))
        else:
            self._emit(news)

    def _message(self, body: JsonObject) -> MessagePublished:
        is_local = body["sid"] in self._own
        self._own.pop(body["sid"], None)
        return MessagePublished(
            sid=body["sid"],
            json=orjson.dumps(body["data"]),
            date_created=dates.parse(body["date_created"]),
            created_by=body["created_by"],
            is_local=is_local,
        )

    def _emit(self, event: StreamEvent) -> None:
        for handle in list(self.handles):
            handle.emit(event)
