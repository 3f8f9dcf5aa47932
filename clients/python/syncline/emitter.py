"""Event emitter: callbacks and iterators, each with its own bounded queue."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Generic, Protocol, Self, TypeVar
from weakref import WeakSet

from .exceptions import UsageError

__all__ = ["Callback", "Emitter", "EventQueue"]

logger = logging.getLogger("syncline")


class Event(Protocol):
    """Interface of an event."""

    @property
    def name(self) -> str:
        """Name of the event, as passed to `on`."""

    def following(self, earlier: Any) -> Any:
        """Merge this event with an earlier one of the same type."""


E = TypeVar("E", bound=Event)

Callback = Callable[[E], Awaitable[object] | object]
"""Called with an event; sync or async. Its result is ignored, and an exception is logged."""


class EventQueue(Generic[E]):
    """Asynchronous iterator over events, with a bounded queue.

    When the queue is full, a new event is merged with the last one in it (`following`). So a slow
    reader gets the oldest queued events as they were, and then the newest state.
    """

    def __init__(self, bound: int) -> None:
        """`bound`: events in the queue, at least 1; an event of another type is added beyond it."""
        self._bound = bound
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
        if len(self._events) >= self._bound and type(self._events[-1]) is type(event):
            self._events[-1] = event.following(self._events[-1])
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
            raise UsageError("this iterator belongs to the event loop in which it was created")
        while not self._events:
            if self._closed:
                raise self._error or StopAsyncIteration
            # No await since the check of `_events`, so no `put` is lost by `clear`.
            self._changed.clear()
            await self._changed.wait()
        return self._events.popleft()


class Emitter(Generic[E]):
    """Listeners of one source of events."""

    def __init__(self, names: tuple[str, ...], bound: int) -> None:
        """
        Args:
            names: names of the events.
            bound: events that may wait for each listener.
        """
        self._names = names
        self._bound = bound
        # Weak: an iterator that its reader has dropped must not collect events permanently.
        self._queues: WeakSet[EventQueue[E]] = WeakSet()
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended: tuple[Exception | None] | None = None  # None until the source has ended

    def emit(self, event: E) -> None:
        """Queue `event` for every listener."""
        for queue in list(self._queues):
            queue.put(event)

    def events(self) -> EventQueue[E]:
        """Return an iterator over the events from now on."""
        queue: EventQueue[E] = EventQueue(self._bound)
        queue.bind_loop()
        self._queues.add(queue)
        if self._ended is not None:
            queue.end(*self._ended)
        return queue

    def check_name(self, name: str) -> None:
        """Raise ValueError if there is no event of that name."""
        if name not in self._names:
            raise ValueError(f"the events are {', '.join(self._names)}; there is no {name!r}")

    def on(self, name: str, callback: Callback[E]) -> Callable[[], None]:
        """Call `callback` with each event of that name, one at a time.

        Returns:
            a function that removes the callback.

        Raises:
            ValueError: there is no event of that name.
        """
        self.check_name(name)
        queue = self.events()
        task = asyncio.create_task(_call_with_each(queue, name, callback))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return queue.close

    def end(self, error: Exception | None = None) -> None:
        """End all listeners after their queued events; iterators then raise `error` if not None."""
        self._ended = (error,)
        for queue in list(self._queues):
            queue.end(error)

    def close(self) -> None:
        """End all listeners and drop their queued events."""
        self._ended = (None,)
        for queue in list(self._queues):
            queue.close()


async def _call_with_each(queue: EventQueue[E], name: str, callback: Callback[E]) -> None:
    try:
        async for event in queue:
            if event.name == name:
                await _call(callback, event)
    except Exception:
        # The error of `end`. Iterators raise it and the `state` event reports it: not logged here.
        return


async def _call(callback: Callback[E], event: E) -> None:
    try:
        result = callback(event)
        if inspect.isawaitable(result):
            # In a separate task: a callback that cancels itself does not cancel the listener.
            await asyncio.ensure_future(result)
    except asyncio.CancelledError:
        listener = asyncio.current_task()
        if listener is None or listener.cancelling():
            raise  # the listener itself was cancelled: the event loop is shutting down
        logger.warning("a callback for %r was cancelled", event.name)
    except Exception:
        logger.exception("a callback for %r failed", event.name)
