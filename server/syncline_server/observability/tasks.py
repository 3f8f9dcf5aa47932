"""Background tasks: `TaskSet` for those of one owner, `PeriodicTask` for work that repeats, and
`FailureLog` for its failures."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from syncline_protocol.errors import Refusal

__all__ = ["FailureLog", "PeriodicTask", "TaskSet"]

T = TypeVar("T")


class TaskSet:
    """The running tasks of one owner. It keeps them alive: asyncio only has weak references."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run `work` in a task of its own; the set forgets it when it ends."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def wait(self, timeout: float | None = None) -> None:
        """Wait until the tasks have ended, but for at most `timeout` seconds."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout)

    def cancel_all(self) -> None:
        """Cancel the tasks without waiting for them."""
        for task in self._tasks:
            task.cancel()

    async def aclose(self) -> None:
        """Cancel the tasks, and return when they have ended."""
        self.cancel_all()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class FailureLog:
    """Logs the failures of work that repeats; of equal ones in a row only the first."""

    def __init__(self, name: str, logger: logging.Logger) -> None:
        """`name`: what the log calls the work, such as "the sweep"."""
        self._name = name
        self._logger = logger
        self._last: type[Exception] | None = None

    def record(self, error: Exception | None) -> None:
        """Record how a run ended; None for success."""
        if error is None:
            self._last = None
        elif type(error) is not self._last:
            self._last = type(error)
            self._log(error)

    def _log(self, error: Exception) -> None:
        if isinstance(error, Refusal):
            # The store is away, which `Readiness` logs; most periodic work depends on it.
            self._logger.debug("%s waits: %s", self._name, error)
        else:
            self._logger.error("%s failed", self._name, exc_info=error)


class PeriodicTask:
    """Runs a coroutine function again and again, with a pause after each run, until `stop`.

    A run that fails does not end it: the next run tries again. Of equal failures in a row only the
    first one is logged.
    """

    def __init__(
        self,
        work: Callable[[], Awaitable[object]],
        interval: float | Callable[[], float],
        *,
        name: str,
        logger: logging.Logger,
    ) -> None:
        """
        Args:
            interval: seconds between the end of a run and the next one, or a function that returns
                them after each run.
            name: what the log calls the work, such as "the sweep".
        """
        self._work = work
        self._interval = interval
        self._failures = FailureLog(name, logger)
        self._awakened = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        # Callers of `run_again`, whose run has not begun.
        self._waiting: list[asyncio.Future[None]] = []

    def start(self, *, pause_first: bool = False) -> None:
        """Begin with a run, or with a pause."""
        self._task = asyncio.create_task(self._run(pause_first))

    async def stop(self) -> None:
        """Cancel the work, and return when it has ended."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def wake(self) -> None:
        """End the pause now; during a run: begin the next run without a pause."""
        self._awakened.set()

    async def run_again(self) -> None:
        """Return once a run that began after this call has ended, in success or not."""
        ended = asyncio.get_running_loop().create_future()
        self._waiting.append(ended)
        self.wake()
        await ended

    async def _run(self, pause_first: bool) -> None:
        if pause_first:
            await self._pause()
        while True:
            # Before the run, not after it: a run may miss what `wake` is called for meanwhile.
            self._awakened.clear()
            waiting, self._waiting = self._waiting, []
            try:
                await self._work()
            except Exception as error:
                self._failures.record(error)
            else:
                self._failures.record(None)
            for each in waiting:
                if not each.done():
                    each.set_result(None)
            await self._pause()

    async def _pause(self) -> None:
        interval = self._interval() if callable(self._interval) else self._interval
        with suppress(TimeoutError):
            async with asyncio.timeout(interval):
                await self._awakened.wait()
