"""The send queue of one connection, which conflates updates."""

from __future__ import annotations

import asyncio
import itertools
from collections import OrderedDict
from collections.abc import Callable

from syncline_protocol.objects import Event, Removed

__all__ = ["SendQueue"]


class SendQueue:
    """Frames for one client, in the order in which they were added.

    Above the mark, an update replaces the waiting updates of its document: a slow client gets the
    newest state, not a queue of old states (promise 5). Replies and removals are never replaced. A
    socket whose client is slow reads no requests, and this bounds the replies.
    """

    def __init__(self, mark: int) -> None:
        """`mark`: bytes in the queue above which updates are conflated."""
        self._mark = mark
        self._size = 0
        self._positions = itertools.count()
        # By position in the queue: the frame, and the SID of its document; None if it is no update.
        self._frames: OrderedDict[int, tuple[bytes, str | None]] = OrderedDict()
        # By SID: the positions of its updates, oldest first.
        self._updates: dict[str, list[int]] = {}
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
        self, event: Event, frame: bytes, whole: Callable[[Event], bytes] | None = None
    ) -> int:
        """Add an event; returns the number of updates that it replaced.

        Args:
            frame: the event, encoded.
            whole: encodes the event with all its data, for use if it replaces others: a delta in
                `frame` would not fit then. None if `frame` has all data.
        """
        if isinstance(event, Removed):
            self._add(frame, None)
            return 0
        replaced = []
        if self._size + len(frame) > self._mark:
            replaced = self._updates.pop(event.sid, [])
            for position in replaced:
                self._size -= len(self._frames.pop(position)[0])
            if replaced and whole is not None:
                frame = event.encoded(whole)
        self._add(frame, event.sid)
        return len(replaced)

    async def wait_for_frame(self) -> bytes:
        """Wait for the next frame, and remove it. Safe to cancel."""
        while not self._frames:
            self._filled.clear()
            await self._filled.wait()
        return self.take_frame()

    def take_frame(self) -> bytes:
        """Remove and return the next frame; the queue must not be empty."""
        _, (frame, sid) = self._frames.popitem(last=False)
        if sid is not None:
            positions = self._updates[sid]
            del positions[0]
            if not positions:
                del self._updates[sid]
        self._size -= len(frame)
        return frame

    def _add(self, frame: bytes, sid: str | None) -> None:
        position = next(self._positions)
        self._frames[position] = (frame, sid)
        if sid is not None:
            self._updates.setdefault(sid, []).append(position)
        self._size += len(frame)
        self._filled.set()
