"""Events to whoever listens: callbacks and iterators, each with a bounded queue of its own."""

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
    """What an emitter can emit."""

    @property
    def name(self) -> str:
        """What `on` calls it."""

    def following(self, earlier: Any) -> Any:
        """This event and an earlier one of the same type as one."""


E = TypeVar("E", bound=Event)

Callback = Callable[[E], Awaitable[object] | object]
"""Takes an event; sync or async. What it returns is dropped, what it raises is logged."""


class EventQueue(Generic[E]):
    """An asynchronous iterator over events, with room for so many.

    When it is full, the newest event is joined with the last one in the queue (`following`): a slow
    reader gets the newest state rather than every state between, and the first to come stay as they
    were.
    """

    def __init__(self, bound: int) -> None:
        """`bound`: events that may wait, at least 1; the last of another type comes on top."""
        self._bound = bound
        self._events: deque[E] = deque()
        self._changed = asyncio.Event()
        self._closed = False
        self._error: Exception | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def bind_loop(self) -> None:
        """From now on only this event loop can read it."""
        with suppress(RuntimeError):
            self._loop = asyncio.get_running_loop()

    def put(self, event: E) -> None:
        """Never blocks, never drops the last event of a type; does nothing after the end."""
        if self._closed:
            return
        if len(self._events) >= self._bound and type(self._events[-1]) is type(event):
            self._events[-1] = event.following(self._events[-1])
        else:
            self._events.append(event)
        self._changed.set()

    def end(self, error: Exception | None = None) -> None:
        """What is queued can still be read; then the iteration stops, or raises `error`."""
        self._closed = True
        self._error = error
        self._changed.set()

    def close(self) -> None:
        """Drop what is queued and stop the iteration."""
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
            self._changed.clear()
            await self._changed.wait()
        return self._events.popleft()


class Emitter(Generic[E]):
    """The listeners of one source."""

    def __init__(self, names: tuple[str, ...], bound: int) -> None:
        """
        Args:
            names: of the events there are.
            bound: events that each listener may have waiting.
        """
        self._names = names
        self._bound = bound
        # Weak: an iterator that its reader has dropped must not collect events for ever.
        self._queues: WeakSet[EventQueue[E]] = WeakSet()
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended: tuple[Exception | None] | None = None

    def emit(self, event: E) -> None:
        """Hand `event` to every listener."""
        for queue in list(self._queues):
            queue.put(event)

    def events(self) -> EventQueue[E]:
        """What is emitted from now on."""
        queue: EventQueue[E] = EventQueue(self._bound)
        queue.bind_loop()
        self._queues.add(queue)
        if self._ended is not None:
            queue.end(*self._ended)
        return queue

    def check_name(self, name: str) -> None:
        """Raise ValueError where there is no event of that name."""
        if name not in self._names:
            raise ValueError(f"the events are {', '.join(self._names)}; there is no {name!r}")

    def on(self, name: str, callback: Callback[E]) -> Callable[[], None]:
        """Call `callback` with each event of that name, one after the other.

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
        """No event follows; iterators stop after those that wait, or raise `error`."""
        self._ended = (error,)
        for queue in list(self._queues):
            queue.end(error)

    def close(self) -> None:
        """No event follows, and those that wait are dropped."""
        self._ended = (None,)
        for queue in list(self._queues):
            queue.close()


async def _call_with_each(queue: EventQueue[E], name: str, callback: Callback[E]) -> None:
    try:
        async for event in queue:
            if event.name == name:
                await _call(callback, event)
    except Exception:
        # Why the source ended is told to iterators and by the state event.
        return


async def _call(callback: Callback[E], event: E) -> None:
    try:
        result = callback(event)
        if inspect.isawaitable(result):
            # In a task of its own: what is cancelled in there does not end the listener.
            await asyncio.ensure_future(result)
    except asyncio.CancelledError:
        listener = asyncio.current_task()
        if listener is None or listener.cancelling():
            raise  # the event loop ends
        logger.warning("a callback for %r was cancelled", event.name)
    except Exception:
        logger.exception("a callback for %r failed", event.name)
