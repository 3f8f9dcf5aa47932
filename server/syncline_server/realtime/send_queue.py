"""What waits for one reader."""

from __future__ import annotations

import asyncio
import itertools
from collections import OrderedDict
from collections.abc import Callable

from syncline_protocol.documents import Event, Removed

__all__ = ["SendQueue"]


class SendQueue:
    """Frames in the order in which they were put, for one reader.

    Above the mark, an update takes the place of those of the same document that still wait: a slow
    reader gets the newest state rather than a queue of old ones. Replies and removals always stay;
    a socket whose reader is slow reads no requests, which bounds the replies.
    """

    def __init__(self, mark: int) -> None:
        """`mark`: in bytes."""
        self._mark = mark
        self._size = 0
        self._places = itertools.count()
        # By place in the queue: the frame, and for an update the SID of its document.
        self._frames: OrderedDict[int, tuple[bytes, str | None]] = OrderedDict()
        self._updates: dict[str, list[int]] = {}
        self._filled = asyncio.Event()

    @property
    def empty(self) -> bool:
        """True while nothing waits."""
        return not self._frames

    @property
    def size(self) -> int:
        """Bytes that wait."""
        return self._size

    def put(self, frame: bytes) -> None:
        """Add what must not be left out."""
        self._add(frame, None)

    def put_event(
        self, event: Event, frame: bytes, whole: Callable[[Event], bytes] | None = None
    ) -> int:
        """Add an event; returns how many others gave way to it.

        Args:
            frame: the event, encoded.
            whole: encodes it for a reader who was not told of those; None if `frame` is for any.
        """
        if isinstance(event, Removed):
            self._add(frame, None)
            return 0
        given_way = []
        if self._size + len(frame) > self._mark:
            given_way = self._updates.pop(event.sid, [])
            for place in given_way:
                self._size -= len(self._frames.pop(place)[0])
            if given_way and whole is not None:
                frame = event.encoded(whole)
        self._add(frame, event.sid)
        return len(given_way)

    async def get(self) -> bytes:
        """The next frame, once there is one. Safe to cancel."""
        while not self._frames:
            self._filled.clear()
            await self._filled.wait()
        return self.take()

    def take(self) -> bytes:
        """The next frame; there must be one."""
        _, (frame, sid) = self._frames.popitem(last=False)
        if sid is not None:
            places = self._updates[sid]
            del places[0]
            if not places:
                del self._updates[sid]
        self._size -= len(frame)
        return frame

    def _add(self, frame: bytes, sid: str | None) -> None:
        place = next(self._places)
        self._frames[place] = (frame, sid)
        if sid is not None:
            self._updates.setdefault(sid, []).append(place)
        self._size += len(frame)
        self._filled.set()
