"""Queue of events, read by iteration."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

from .errors import UsageError

__all__ = ["E", "EventQueue", "Merge", "merge_with_last"]


class Event(Protocol):
    """Interface of an event.

    Attributes:
        name: name of the event, as passed to `on`.
    """

    name: ClassVar[str]


E = TypeVar("E", bound=Event)

Merge = Callable[[deque[Any], Any], None]
"""Adds an event to a full queue."""


def merge_with_last(queue: deque[Any], event: Any) -> None:
    """Merge an event with the last one in a full queue, if that is of the same type."""
    if type(queue[-1]) is type(event):
        queue[-1] = event.following(queue[-1])
    else:
        queue.append(event)


class EventQueue(Generic[E]):
    """Asynchronous iterator over events, with a bounded queue.

    When the queue is full, `merge` adds a new event. That of documents merges it with the last one,
    so that a slow reader gets the oldest queued events as they were, and then the newest state.
    """

    def __init__(self, bound: int, merge: Merge = merge_with_last) -> None:
        """`bound`: events in the queue, at least 1, before `merge` adds further ones."""
        self._bound = bound
        self._merge = merge
        self._events: deque[E] = deque()
        self._changed = asyncio.Event()
        self._closed = False
        self._error: Exception | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def bind_loop(self) -> None:
        """Allow only the running event loop, if any, to read the queue."""
        with suppress(RuntimeError):
            self._loop = asyncio.get_running_loop()

    def put(self, event: E) -> None:
        """Add or merge an event without blocking; do nothing after the end."""
        if self._closed:
            return
        if len(self._events) >= self._bound:
            self._merge(self._events, event)
        else:
            self._events.append(event)
        self._changed.set()

    def end(self, error: Exception | None = None) -> None:
        """End the iteration once the queue is empty; raise `error` then if it is not None."""
        self._closed = True
        self._error = error
        self._changed.set()

    def close(self) -> None:
        """Drop the queued events and stop the iteration."""
        self._events.clear()
        self.end()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> E:
        running = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = running
        elif self._loop is not running:
            raise UsageError("this iterator belongs to the event loop in which it was made")
        while not self._events:
            if self._closed:
                raise self._error or StopAsyncIteration
            # No await since the check of `_events`, so no `put` is lost by `clear`.
            self._changed.clear()
            await self._changed.wait()
        return self._events.popleft()
