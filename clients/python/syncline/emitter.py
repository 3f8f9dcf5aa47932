"""Event emitter: callbacks and iterators, each with its own bounded queue."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Generic
from weakref import WeakSet

from .errors import UsageError
from .event_queue import E, EventQueue, Merge, merge_with_last

__all__ = ["Callback", "Emitter"]

logger = logging.getLogger("syncline")

Callback = Callable[[E], Awaitable[object] | object]
"""Called with an event; sync or async. Its result is ignored, and an exception is logged."""


class Emitter(Generic[E]):
    """Listeners of one source of events."""

    def __init__(
        self,
        names: tuple[str, ...],
        bound: int,
        merge: Merge = merge_with_last,
        *,
        convert: Callable[[Any], E] | None = None,
    ) -> None:
        """
        Args:
            names: names of the events.
            bound: events that may wait for each listener.
            merge: adds further ones to the queue of a slow listener.
            convert: makes what listeners receive from what is emitted; None: as it is.
        """
        self._names = names
        self._bound = bound
        self._merge = merge
        self._convert = convert
        # Weak: an iterator that its reader has dropped must not collect events permanently.
        self._queues: WeakSet[EventQueue[E]] = WeakSet()
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended: tuple[Exception | None] | None = None  # None until the source has ended

    def emit(self, event: Any) -> None:
        """Queue `event` for every listener."""
        queues = list(self._queues)
        if queues and self._convert is not None:
            event = self._convert(event)
        for queue in queues:
            queue.put(event)

    def events(self) -> EventQueue[E]:
        """Return an iterator over the events from now on."""
        queue: EventQueue[E] = EventQueue(self._bound, self._merge)
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
            UsageError: `callback` is no function.
        """
        self.check_name(name)
        if not callable(callback):
            if inspect.iscoroutine(callback):
                callback.close()  # Python would warn that it was never awaited
            raise UsageError(
                f"on({name!r}, …) takes a function, not {type(callback).__name__}: "
                "give the function itself, without calling it"
            )
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
