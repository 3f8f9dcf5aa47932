"""Time-outs that a sleep does not use up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

__all__ = ["within"]

ASLEEP_AFTER = 1
"""Seconds: a timer that fires later than this was asleep, with its process or with the machine."""

AFTER_SLEEP = 10
"""Seconds that are left after a sleep for what is waited for, or its whole time if that is less."""

SLICE = 1
"""Seconds between two readings of the clock, which reveal a sleep."""


@asynccontextmanager
async def within(seconds: float) -> AsyncIterator[None]:
    """Raise `TimeoutError` where the body takes longer; after a sleep there is some time left.

    A process that was stopped finds its timers due when it goes on. The reply may be there already,
    but not read yet.
    """
    async with asyncio.timeout(None) as limit:
        timer = _Timer(seconds, limit)
        try:
            yield
        finally:
            timer.stop()


class _Timer:
    def __init__(self, seconds: float, limit: asyncio.Timeout) -> None:
        self._loop = asyncio.get_running_loop()
        self._seconds = seconds
        self._left = seconds
        self._limit = limit
        self._has_slept = False
        self._wait()

    def stop(self) -> None:
        self._handle.cancel()

    def _wait(self) -> None:
        due = self._loop.time() + min(self._left, SLICE)
        self._handle = self._loop.call_at(due, self._look, due)

    def _look(self, due: float) -> None:
        late = self._loop.time() - due
        self._left -= min(self._left, SLICE) + max(late, 0)
        if late > ASLEEP_AFTER and not self._has_slept:
            # Only one sleep: a loop that is always late must not wait without end.
            self._has_slept = True
            self._left = max(self._left, min(self._seconds, AFTER_SLEEP))
        if self._left > 0:
            self._wait()
        else:
            self._limit.reschedule(self._loop.time())
