"""The send queue of one connection, which conflates events."""

from __future__ import annotations

import asyncio
import itertools
from collections import OrderedDict
from collections.abc import Callable, Hashable

from syncline_protocol.objects import Event

__all__ = ["SendQueue"]


class SendQueue:
    """Frames for one client, in the order in which they were put.

    Above the mark, an event replaces the waiting events with its conflation key: a slow client gets
    the newest state, not a queue of old states (promise 5). Replies, and events without a key, are
    never replaced. A socket whose client is slow reads no requests, and this bounds the replies.
    """

    def __init__(self, mark: int) -> None:
        """`mark`: bytes in the queue above which events are conflated."""
        self._mark = mark
        self._size = 0
        self._places = itertools.count()
        # By place in the queue: the frame, and its conflation key; None if it is never replaced.
        self._frames: OrderedDict[int, tuple[bytes, Hashable | None]] = OrderedDict()
        # By conflation key: the places of its events, oldest first.
        self._events: dict[Hashable, list[int]] = {}
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
        self._add(frame, None)

    def add_event(
        self, event: Event, frame: bytes, encode: Callable[[Event], bytes] | None = None
    ) -> int:
        """Add an event; returns the number of events that it replaced.

        Args:
            frame: the event, encoded.
            encode: encodes the event with all its data, for use if it replaces others: a delta in
                `frame` would not fit then. None if `frame` has all data.
        """
        key = event.conflation_key
        replaced = []
        if key is not None and self._size + len(frame) > self._mark:
            replaced = self._events.pop(key, [])
            for place in replaced:
                self._size -= len(self._frames.pop(place)[0])
            if replaced and encode is not None:
                frame = event.encoded(encode)
        self._add(frame, key)
        return len(replaced)

    async def wait_for_frame(self) -> bytes:
        """Wait for the next frame, and remove it. Safe to cancel."""
        while not self._frames:
            self._filled.clear()
            await self._filled.wait()
        return self.take_frame()

    def take_frame(self) -> bytes:
        """Remove and return the next frame; the queue must not be empty."""
        _, (frame, key) = self._frames.popitem(last=False)
        if key is not None:
            places = self._events[key]
            del places[0]
            if not places:
                del self._events[key]
        self._size -= len(frame)
        return frame

    def _add(self, frame: bytes, key: Hashable | None) -> None:
        place = next(self._places)
        self._frames[place] = (frame, key)
        if key is not None:
            self._events.setdefault(key, []).append(place)
        self._size += len(frame)
        self._filled.set()
