"""Events of one object that are not sent yet: a bounded queue."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from syncline_protocol.objects import Event
from syncline_protocol.streams import Missed

from .waiting_messages import missed

__all__ = ["PENDING_LIMIT", "PendingEvents"]

PENDING_LIMIT = 64
"""Events of one object that wait, at most (promise 5)."""


class PendingEvents:
    """Events in the order in which they came.

    Above `PENDING_LIMIT`, what is dropped depends on what can take its place:

    - changes of items: the newest event. The store has it, and reports it later (`lost`);
    - messages: the oldest one. `Missed` counts it;
    - the state of an object: the oldest event. The newest has all that it has.
    """

    __slots__ = ("_events", "_missed")

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._missed: Missed | None = None

    def __iter__(self) -> Iterator[Event]:
        if self._missed is not None:
            yield self._missed
        yield from self._events

    def add(self, event: Event) -> int:
        """Add an event. Returns its revision if it was dropped and the store has it, else 0."""
        if event.resets:
            self._events.clear()  # earlier events are of no use
        elif len(self._events) >= PENDING_LIMIT:
            if event.replayable:
                return event.revision
            self._drop_oldest()
        self._events.append(event)
        return 0

    def drop_replayable(self) -> None:
        """Drop all events that the store can report again."""
        self._events = deque(each for each in self._events if not each.replayable)

    def _drop_oldest(self) -> None:
        # Messages first: an expiry among them would not come again.
        index = next((n for n, each in enumerate(self._events) if not each.is_stored), 0)
        oldest = self._events[index]
        del self._events[index]
        if not oldest.is_stored:
            earlier = 0 if self._missed is None else self._missed.count
            count = oldest.count if isinstance(oldest, Missed) else 1
            self._missed = missed(oldest.sid, oldest.at_ms, earlier + count)
