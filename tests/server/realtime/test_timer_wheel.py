from __future__ import annotations

import asyncio
import logging

import pytest

from support.limits import WAIT_LIMIT
from syncline_server.realtime.timer_wheel import RESOLUTION, TimerWheel


async def runs_at(timers: TimerWheel, seconds: float) -> float:
    """Loop time at which a timer after so many seconds runs."""
    loop = asyncio.get_running_loop()
    ran: asyncio.Future[float] = loop.create_future()
    timers.call_later(seconds, lambda: ran.set_result(loop.time()))
    async with asyncio.timeout(WAIT_LIMIT):
        return await ran


async def test_timers_fire_in_time_and_never_early() -> None:
    timers, began = TimerWheel(), asyncio.get_running_loop().time()
    seconds = (0.31, 0, 0.15, -1)
    ran = await asyncio.gather(*(runs_at(timers, each) for each in seconds))

    for each, at in zip(seconds, ran, strict=True):
        assert at - began >= max(each, 0)
    assert sorted(ran) == [ran[i] for i in (1, 3, 2, 0)]


async def test_a_cancelled_timer_does_not_fire() -> None:
    timers, called = TimerWheel(), list[str]()
    first = timers.call_later(0, lambda: called.append("first"))
    first.cancel()
    first.cancel()
    # Due in the same slice, and cancelled by one that runs_at before.
    timers.call_later(0, lambda: second.cancel())
    second = timers.call_later(0, lambda: called.append("second"))
    await runs_at(timers, RESOLUTION)

    assert called == []


async def test_one_that_fails_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    timers = TimerWheel()

    def fail() -> None:
        raise RuntimeError("a defect")

    timers.call_later(0, fail)
    await runs_at(timers, 0)
    await runs_at(timers, RESOLUTION)

    assert any(record.levelno == logging.ERROR for record in caplog.records)


async def test_a_timer_may_start_the_next() -> None:
    timers, ran = TimerWheel(), asyncio.get_running_loop().create_future()

    def set_next() -> None:
        timers.call_later(0, lambda: ran.set_result(None))

    timers.call_later(0, set_next)
    async with asyncio.timeout(WAIT_LIMIT):
        await ran


async def test_it_turns_again_after_it_was_empty() -> None:
    timers = TimerWheel()
    for _ in range(2):
        await runs_at(timers, 0)


async def test_nothing_stays_of_a_cancelled_timer() -> None:
    """A token's is due in a day: those of all that have left must not wait for it."""
    timers = TimerWheel()
    scheduled = [timers.call_later(86_400, lambda: None) for _ in range(10)]
    for timer in scheduled:
        timer.cancel()

    assert timers._slices == {}
