"""The writes of one client to one object whose events have not come yet."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

__all__ = ["OwnMarks"]

MARKS_LIMIT = 1024
"""Marks of one object that are remembered; beyond, the oldest are dropped."""


class OwnMarks:
    """What identifies the client's writes, and its messages, in events (`Event.mark`).

    Replies and events of one object come in the order of its writes, so an event shows that those
    of all earlier writes have come, or were lost.
    """

    __slots__ = ("_marks",)

    def __init__(self) -> None:
        self._marks: dict[Hashable, None] = {}

    def add(self, marks: Iterable[Hashable]) -> None:
        """Remember what the reply to a write says."""
        self._marks.update(dict.fromkeys(marks))
        while len(self._marks) > MARKS_LIMIT:
            del self._marks[next(iter(self._marks))]

    def has(self, mark: Hashable) -> bool:
        """True if this is a mark of the client's own."""
        return mark in self._marks

    def take(self, mark: Hashable) -> bool:
        """True if this is a mark of the client's own; it and all earlier ones are dropped."""
        if mark not in self._marks:
            return False
        while (first := next(iter(self._marks))) != mark:
            del self._marks[first]
        del self._marks[mark]
        return True

    def is_clear(self, delivered: int) -> bool:
        """True if no event is still to come for a client that has all up to `delivered`."""
        while self._marks:
            first = next(iter(self._marks))
            if not isinstance(first, int) or first > delivered:
                return False
            del self._marks[first]
        return True
