from __future__ import annotations

import asyncio
import logging

import pytest

from syncline_server.realtime.timer_wheel import RESOLUTION, TimerWheel


async def rings(wheel: TimerWheel, seconds: float) -> float:
    """Loop time at which an alarm after so many seconds rings."""
    loop = asyncio.get_running_loop()
    rung: asyncio.Future[float] = loop.create_future()
    wheel.call_later(seconds, lambda: rung.set_result(loop.time()))
    async with asyncio.timeout(10):
        return await rung


async def test_timers_fire_in_time_and_never_early() -> None:
    wheel, began = TimerWheel(), asyncio.get_running_loop().time()
    seconds = (0.31, 0, 0.15, -1)
    rung = await asyncio.gather(*(rings(wheel, each) for each in seconds))

    for each, at in zip(seconds, rung, strict=True):
        assert at - began >= max(each, 0)
    assert sorted(rung) == [rung[i] for i in (1, 3, 2, 0)]


async def test_a_cancelled_timer_does_not_fire() -> None:
    wheel, called = TimerWheel(), list[str]()
    first = wheel.call_later(0, lambda: called.append("first"))
    first.cancel()
    first.cancel()
    # Due in the same slice, and cancelled by one that rings before.
    wheel.call_later(0, lambda: second.cancel())
    second = wheel.call_later(0, lambda: called.append("second"))
    await rings(wheel, RESOLUTION)

    assert called == []


async def test_one_that_fails_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    wheel = TimerWheel()

    def fail() -> None:
        raise RuntimeError("a defect")

    wheel.call_later(0, fail)
    await rings(wheel, 0)
    await rings(wheel, RESOLUTION)

    assert any(record.levelno == logging.ERROR for record in caplog.records)


async def test_a_timer_may_start_the_next() -> None:
    wheel, rung = TimerWheel(), asyncio.get_running_loop().create_future()

    def set_next() -> None:
        wheel.call_later(0, lambda: rung.set_result(None))

    wheel.call_later(0, set_next)
    async with asyncio.timeout(10):
        await rung


async def test_it_turns_again_after_it_was_empty() -> None:
    wheel = TimerWheel()
    for _ in range(2):
        await rings(wheel, 0)


async def test_nothing_stays_of_a_cancelled_timer() -> None:
    """A token's is due in a day: those of all that have left must not wait for it."""
    wheel = TimerWheel()
    timers = [wheel.call_later(86_400, lambda: None) for _ in range(10)]
    for timer in timers:
        timer.cancel()

    assert wheel._slices == {}
