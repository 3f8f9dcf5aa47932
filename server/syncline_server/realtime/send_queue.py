"""The send queue of one connection, which conflates events and bounds what waits."""

from __future__ import annotations

import asyncio
import itertools
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Protocol

from syncline_protocol.objects import Event
from syncline_server.config.settings import Settings

from .waiting_items import WaitingItems
from .waiting_messages import WaitingMessages

__all__ = ["Overflow", "QueueLimits", "SendQueue"]

UNBOUNDED = 2**63

HAS_ITEM = 2**63
"""As a revision: beyond the creation of every item."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLimits:
    """How much waits for one reader.

    Attributes:
        mark: bytes in the queue above which events are conflated.
        items: changes of items of one collection, at most.
        messages: messages of streams, at most.
        size: bytes of changes of items, and of messages, at most.
    """

    mark: int
    items: int = UNBOUNDED
    messages: int = UNBOUNDED
    size: int = UNBOUNDED

    @classmethod
    def of(cls, settings: Settings) -> QueueLimits:
        """The limits that the settings name."""
        return cls(
            mark=settings.output_mark,
            items=settings.waiting_items,
            messages=settings.waiting_messages,
            size=settings.waiting_bytes,
        )


class Overflow(Protocol):
    """What must know of events that were dropped; `Session` is one."""

    def fall_behind(self, sid: str, since: int) -> None:
        """Waiting changes of a collection were dropped.

        `since`: the revision up to which the client receives everything.
        """

    def count_missed(self) -> None:
        """Waiting messages were dropped."""


@dataclass(slots=True)
class _Waiting:
    """A frame that waits, and what must be known of its event when it leaves the queue."""

    frame: bytes
    key: Hashable | None = None
    sid: str | None = None
    revision: int = 0


class SendQueue:
    """Frames for one client, in the order in which they were put.

    Above the mark, an event replaces the waiting events with its conflation key: a slow client gets
    the newest state, not a queue of old states (promise 5). Of a collection whose changes are more
    than the limits allow, none waits: the reader is *behind*, and the store has what it misses. Of
    messages that are too many, the oldest are dropped, and `Missed` tells how many. Replies, and
    other events without a key, are never replaced or dropped. A socket whose client is slow reads
    no requests, and this bounds the replies.
    """

    def __init__(self, limits: QueueLimits, overflow: Overflow | None = None) -> None:
        """`overflow`: receives what is dropped; None to drop no events of items."""
        self._limits = limits
        self._overflow = overflow
        self._size = 0
        self._places = itertools.count()
        # By place in the queue.
        self._frames: OrderedDict[int, _Waiting] = OrderedDict()
        # By conflation key: the places of its events, oldest first.
        self._events: dict[Hashable, list[int]] = {}
        self._items: WaitingItems | None = None
        self._messages: WaitingMessages | None = None
        self._filled = asyncio.Event()

    @property
    def empty(self) -> bool:
        """True while no frame waits."""
        return not self._frames

    @property
    def size(self) -> int:
        """Bytes that wait."""
        return self._size

    def add_frame(self, frame: bytes) -> None:
        """Add a frame that must not be replaced."""
        self._add(_Waiting(frame))

    def add_event(
        self, event: Event, frame: bytes, encode: Callable[[Event], bytes] | None = None
    ) -> int:
        """Add an event; returns the number of events that it replaced, or that were dropped.

        Args:
            frame: the event, encoded.
            encode: encodes an event with all its data. Used for an event that replaces others: a
                delta in `frame` would not fit then.
        """
        if not event.is_stored and encode is not None:
            return self._add_message(event, frame, encode)
        if self._overflow is not None and (event.replayable or event.resets):
            return self._add_items(event, frame, encode)
        key = event.conflation_key
        replaced = self._take_replaced(key, frame)
        if replaced and encode is not None:
            frame = event.encoded(encode)
        self._add(_Waiting(frame, key))
        return len(replaced)

    async def wait_for_frame(self) -> bytes:
        """Wait for the next frame, and remove it. Safe to cancel."""
        while not self._frames:
            self._filled.clear()
            await self._filled.wait()
        return self.take_frame()

    def take_frame(self) -> bytes:
        """Remove and return the next frame; the queue must not be empty."""
        place, waiting = self._frames.popitem(last=False)
        self._forget(place, waiting)
        if waiting.sid is not None and self._items is not None:
            self._items.sent(waiting.sid, place, waiting.revision)
        elif self._messages is not None:
            self._messages.sent(place)
        return waiting.frame

    def _add_items(
        self, event: Event, frame: bytes, encode: Callable[[Event], bytes] | None
    ) -> int:
        """Add changes of items; drop all of their collection that wait if they are too many."""
        assert self._overflow is not None
        items = self._items = self._items or WaitingItems()
        sid = event.sid
        items.begin(sid, event.previous)
        if event.resets:
            # The client reads all items again: what waits is of no use, and nothing is missed.
            places, _ = items.drop(sid)
            self._drop_all(places)
            self._add(_Waiting(frame))
            return len(places)
        key = event.conflation_key
        replaced, since = self._take_replaced(key, frame), event.previous
        if replaced:
            # The client has not received what is replaced: an item may be new to it, or its removal
            # no news.
            since = items.replace(sid, replaced, event.previous)
            newer = event.since(since)
            if newer is None:
                items.forget_if_empty(sid)
                return len(replaced) + 1
            event, frame = newer, frame if encode is None else newer.encoded(encode)
        if event.removes_item:
            # The reader has the item, whatever comes in its place: the removal of that is news.
            since = HAS_ITEM
        limits = self._limits
        if items.fits(sid, event.replayable, len(frame), limits.items, limits.size):
            place = self._add(_Waiting(frame, key, sid, event.revision))
            items.add(sid, place, event.replayable, len(frame), since)
            return len(replaced)
        places, reached = items.drop(sid)
        self._drop_all(places)
        self._overflow.fall_behind(sid, reached)
        return len(replaced) + len(places) + 1

    def _add_message(self, event: Event, frame: bytes, encode: Callable[[Event], bytes]) -> int:
        """Add a message; drop the oldest ones if there are too many."""
        messages = self._messages = self._messages or WaitingMessages()
        messages.add(self._add(_Waiting(frame)), event, len(frame))
        dropped = 0
        while messages.exceed(self._limits.messages, self._limits.size):
            place, missed, left_at = messages.drop_oldest()
            self._size -= len(self._frames[place].frame)
            if place != left_at:
                del self._frames[place]
                self._size -= len(self._frames[left_at].frame)
            # `Missed` stands in the place of the first message that was dropped.
            notice = missed.encoded(encode)
            self._frames[left_at] = _Waiting(notice)
            self._size += len(notice)
            dropped += 1
        if dropped and self._overflow is not None:
            self._overflow.count_missed()
        return dropped

    def _take_replaced(self, key: Hashable | None, frame: bytes) -> list[int]:
        """Remove the frames that an event with this key replaces. Returns their places."""
        if key is None or self._size + len(frame) <= self._limits.mark:
            return []
        replaced = self._events.pop(key, [])
        for place in replaced:
            self._size -= len(self._frames.pop(place).frame)
        return replaced

    def _drop_all(self, places: list[int]) -> None:
        for place in places:
            self._forget(place, self._frames.pop(place))

    def _forget(self, place: int, waiting: _Waiting) -> None:
        """Update the counts for a frame that was taken out of `_frames`."""
        if waiting.key is not None:
            places = self._events[waiting.key]
            places.remove(place)
            if not places:
                del self._events[waiting.key]
        self._size -= len(waiting.frame)

    def _add(self, waiting: _Waiting) -> int:
        """Add a frame. Returns its place."""
        place = next(self._places)
        self._frames[place] = waiting
        if waiting.key is not None:
            self._events.setdefault(waiting.key, []).append(place)
        self._size += len(waiting.frame)
        self._filled.set()
        return place
