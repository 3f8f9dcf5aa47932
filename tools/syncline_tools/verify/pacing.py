"""The work of a run: begun at random intervals, bounded, and ended together."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any

__all__ = ["IN_FLIGHT", "Pacing"]

IN_FLIGHT = 4
"""Writes of one client under way at a time; beyond, it waits for one of them."""

Work = Coroutine[Any, Any, None]


class Pacing:
    """The tasks of one workload; once it stops, it begins nothing more."""

    def __init__(self) -> None:
        self._stopping = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None

    @property
    def is_stopping(self) -> bool:
        """True once nothing shall be begun any more."""
        return self._stopping.is_set()

    def spawn(self, work: Work) -> None:
        """Do it beside the rest."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def repeat(
        self, chance: random.Random, interval: float, make: Callable[[], Work | None]
    ) -> None:
        """Begin what `make` returns at random moments, `interval` seconds apart on average, until
        the workload stops; None: nothing this time."""
        room = asyncio.Semaphore(IN_FLIGHT)
        while not await self.stops_within(chance.uniform(0, 2 * interval)):
            await room.acquire()
            if self.is_stopping:
                return
            work = make()
            if work is None:
                room.release()
            else:
                self.spawn(_in_room(room, work))

    async def stops_within(self, seconds: float) -> bool:
        """Wait so long, or until nothing shall be begun any more; True if that is so."""
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return False
        return True

    async def stop(self, patience: float) -> None:
        """Begin nothing more, and wait for so long for what is under way.

        Raises what went wrong in any of it.
        """
        self._stopping.set()
        deadline = asyncio.get_running_loop().time() + patience
        # What is under way may begin more.
        while self._tasks and (left := deadline - asyncio.get_running_loop().time()) > 0:
            await asyncio.wait(self._tasks, timeout=left)
        await self.end()
        if self._failure is not None:
            raise self._failure

    async def end(self) -> None:
        """Break off what is under way; safe to repeat."""
        self._stopping.set()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and self._failure is None:
            self._failure = task.exception()


async def _in_room(room: asyncio.Semaphore, work: Work) -> None:
    try:
        await work
    finally:
        room.release()
