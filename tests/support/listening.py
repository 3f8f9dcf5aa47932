"""Records the events of a client, so that a test can wait for them one by one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from support.socket import WAIT
from syncline import Client, ConnectionState, Document, StateChanged

__all__ = ["EventReader", "EventRecorder", "all_quiet", "record_events", "state"]


class EventRecorder:
    """A callback that queues its arguments."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Any] = asyncio.Queue()

    def __call__(self, event: Any) -> None:
        self._queue.put_nowait(event)

    async def next(self) -> Any:
        """Take the oldest queued event; wait if there is none."""
        async with asyncio.timeout(WAIT):
            return await self._queue.get()

    async def until(self, wanted: Callable[[Any], object]) -> list[Any]:
        """Take all events up to the first for which `wanted` is true; wait for it."""
        taken = [await self.next()]
        while not wanted(taken[-1]):
            taken.append(await self.next())
        return taken


class EventReader:
    """Takes the events of a handle one by one, in their order."""

    def __init__(self, handle: Any) -> None:
        """`handle`: of a list, map or stream, or a replica."""
        self._events = handle.events()

    async def next(self) -> Any:
        """Take the oldest event; wait if there is none."""
        async with asyncio.timeout(WAIT):
            return await anext(self._events)

    async def until(self, wanted: Callable[[Any], object]) -> list[Any]:
        """Take all events up to the first for which `wanted` is true; wait for it."""
        taken = [await self.next()]
        while not wanted(taken[-1]):
            taken.append(await self.next())
        return taken


def record_events(document: Document) -> EventRecorder:
    """Record every event of a document from now on."""
    recorder = EventRecorder()
    for name in ("updated", "removed"):
        document.on(name, recorder)
    return recorder


async def state(client: Client, wanted: ConnectionState) -> None:
    """Return when the connection of the client is in the state `wanted`."""
    changed = asyncio.Event()

    def set_changed(change: StateChanged) -> None:
        if change.state is wanted:
            changed.set()

    forget = client.on("state", set_changed)
    try:
        async with asyncio.timeout(WAIT):
            if client.state is not wanted:
                await changed.wait()
    finally:
        forget()


async def all_quiet(before: set[asyncio.Task[Any]]) -> None:
    """Return when only the tasks in `before` still run."""
    async with asyncio.timeout(WAIT):
        while asyncio.all_tasks() - before:
            await asyncio.sleep(0)
