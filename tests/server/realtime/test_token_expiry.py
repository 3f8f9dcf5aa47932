from __future__ import annotations

import asyncio
import time

import pytest

from support.limits import WAIT_LIMIT
from support.times import Times
from syncline_server.config.clock import Clock
from syncline_server.realtime.timer_wheel import TimerWheel
from syncline_server.realtime.token_expiry import TokenTimer

LEEWAY = 10.0


class Owner:
    """A token holder; `notices` is the seconds of each notice, and None for the end."""

    def __init__(self, timers: TimerWheel) -> None:
        self.notices: list[int | None] = []
        self.timer = TokenTimer(
            timers, LEEWAY, self.notices.append, lambda: self.notices.append(None)
        )


@pytest.fixture
async def timers() -> Times:
    return Times()


@pytest.fixture
async def owner(timers: Times) -> Owner:
    return Owner(timers)


@pytest.mark.parametrize(
    ("seconds", "notice"), [(86_400, 180), (1800.5, 180), (1799, 179.9), (60, 6), (2, 0.2)]
)
async def test_the_notice_comes_before_the_end_and_the_end_after_the_leeway(
    timers: Times, owner: Owner, seconds: float, notice: float
) -> None:
    owner.timer.start(time.time() + seconds)

    assert timers.run_all() == pytest.approx([seconds - notice, seconds + LEEWAY], abs=0.5)
    assert owner.notices == [round(notice), None]


async def test_a_token_that_has_run_out_within_the_leeway_ends_within_it(
    timers: Times, owner: Owner
) -> None:
    owner.timer.start(time.time() - 5)

    assert max(timers.run_all()) <= LEEWAY
    assert owner.notices == [0, None]


async def test_a_newer_token_takes_the_place_of_the_older(timers: Times, owner: Owner) -> None:
    owner.timer.start(time.time() + 60)
    owner.timer.start(time.time() + 3600)

    assert timers.run_all() == pytest.approx([3600 - 180, 3600 + LEEWAY], abs=0.5)


async def test_one_without_an_end_has_none(timers: Times, owner: Owner) -> None:
    owner.timer.start(time.time() + 60)
    owner.timer.start(None)

    assert timers.run_all() == []


async def test_nothing_is_reported_after_the_end(timers: Times, owner: Owner) -> None:
    owner.timer.start(time.time() + 60)
    owner.timer.stop()
    owner.timer.stop()

    assert timers.run_all() == []


async def test_it_runs_on_the_real_clock() -> None:
    ended = asyncio.get_running_loop().create_future()
    timer = TokenTimer(TimerWheel(), 0, lambda _: None, lambda: ended.set_result(None))
    timer.start(time.time())

    async with asyncio.timeout(WAIT_LIMIT):
        await ended


class TestAMovedClock:
    @pytest.fixture
    def clock(self, monkeypatch: pytest.MonkeyPatch) -> Clock:
        clock = Clock()
        clock.make_movable()
        monkeypatch.setattr("syncline_server.realtime.token_expiry.clock", clock)
        return clock

    @pytest.mark.parametrize(
        ("moved", "expected"),
        [
            (1000, [2600 - 180, 2600 + LEEWAY]),  # long before the notice
            (3500, [0, 100 + LEEWAY]),  # between the notice and the end
            (3605, [0, 5]),  # within the leeway
            (3700, [0]),  # after the end
        ],
    )
    async def test_a_token_has_less_time_left(
        self, timers: Times, clock: Clock, moved: int, expected: list[float]
    ) -> None:
        owner = Owner(timers)
        owner.timer.start(time.time() + 3600)
        clock.advance(moved * 1000)
        clock.notify()

        assert timers.run_all() == pytest.approx(expected, abs=0.5)
        assert owner.notices[-1] is None and len(owner.notices) == len(expected)

    async def test_a_notice_is_given_once(self, timers: Times, clock: Clock) -> None:
        owner = Owner(timers)
        owner.timer.start(time.time() + 3600)
        timers.run_next()
        clock.advance(100_000)
        clock.notify()
        timers.run_all()

        assert owner.notices == [180, None]

    async def test_a_stopped_timer_stays_stopped(self, timers: Times, clock: Clock) -> None:
        owner = Owner(timers)
        owner.timer.start(time.time() + 60)
        owner.timer.stop()
        clock.advance(3_600_000)
        clock.notify()

        assert timers.run_all() == []
