"""The messages of streams that wait in one send queue."""

from __future__ import annotations

from collections import OrderedDict

from syncline_protocol.objects import SYSTEM, Event
from syncline_protocol.streams import Missed

__all__ = ["WaitingMessages", "missed"]


class WaitingMessages:
    """Counts messages by their places in the queue, and what was dropped of each stream."""

    def __init__(self) -> None:
        # By place, oldest first: SID of the stream, time of the message, and its bytes.
        self._messages: OrderedDict[int, tuple[str, int, int]] = OrderedDict()
        self._size = 0
        # By stream: the place of its `Missed` that waits, and how many messages that counts.
        self._missed: dict[str, tuple[int, int]] = {}

    def add(self, place: int, event: Event, size: int) -> None:
        """Count a message."""
        self._messages[place] = (event.sid, event.at_ms, size)
        self._size += size

    def exceed(self, most: int, most_bytes: int) -> bool:
        """True if more wait than may; one may always wait."""
        count = len(self._messages)
        return count > 1 and (count > most or self._size > most_bytes)

    def drop_oldest(self) -> tuple[int, Missed, int]:
        """Drop the oldest message.

        Returns:
            its place, and the `Missed` of its stream with that one's place, which may be the same.
        """
        place, (sid, at_ms, size) = self._messages.popitem(last=False)
        self._size -= size
        left_at, count = self._missed.get(sid, (place, 0))
        self._missed[sid] = (left_at, count + 1)
        return place, missed(sid, at_ms, count + 1), left_at

    def sent(self, place: int) -> None:
        """Count no more what was sent from this place, if it was a message or a `Missed`."""
        message = self._messages.pop(place, None)
        if message is not None:
            self._size -= message[2]
            return
        for sid, (left_at, _) in self._missed.items():
            if left_at == place:
                del self._missed[sid]
                return


def missed(sid: str, at_ms: int, count: int) -> Missed:
    """The event that stands for so many messages of a stream, the last of them of this time."""
    return Missed(
        sid=sid, unique_name=None, revision=0, previous=0, at_ms=at_ms, by=SYSTEM, count=count
    )
