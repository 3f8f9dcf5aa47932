"""The work of a run ends together."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from typing import Any

from syncline_tools.verify.pacing import IN_FLIGHT, Pacing


async def test_what_waits_for_room_begins_nothing_once_the_run_stops() -> None:
    pacing, made, is_free, is_full = Pacing(), 0, asyncio.Event(), asyncio.Event()

    async def work() -> None:
        if made == IN_FLIGHT:
            is_full.set()
        await is_free.wait()

    def make() -> Coroutine[Any, Any, None]:
        nonlocal made
        made += 1
        return work()

    repeating = asyncio.create_task(pacing.repeat(random.Random(1), 0.0, make))
    await is_full.wait()
    # It waits for room now, or is about to.
    for _ in range(10):
        await asyncio.sleep(0.001)
    stopping = asyncio.create_task(pacing.stop(10))
    await asyncio.sleep(0)
    is_free.set()
    await stopping
    await repeating

    assert made == IN_FLIGHT
