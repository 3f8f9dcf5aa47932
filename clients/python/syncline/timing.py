"""Time-outs that a sleep does not use up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

__all__ = ["within"]

ASLEEP_AFTER = 1
"""Seconds: a timer that fires later than this was asleep, with its process or with the machine."""

AFTER_SLEEP = 10
"""Seconds more for what is waited for after a sleep, or its whole time if that is less."""


@asynccontextmanager
async def within(seconds: float) -> AsyncIterator[None]:
    """Raise `TimeoutError` where the body takes longer; the time of a sleep does not count.

    A process that was stopped finds its timers due when it goes on. The reply may be there already,
    but not read yet.
    """
    loop = asyncio.get_running_loop()
    due = loop.time() + seconds
    async with asyncio.timeout(None) as limit:

        def expire() -> None:
            was_asleep = loop.time() - due > ASLEEP_AFTER
            limit.reschedule(loop.time() + (min(seconds, AFTER_SLEEP) if was_asleep else 0))

        timer = loop.call_at(due, expire)
        try:
            yield
        finally:
            timer.cancel()
