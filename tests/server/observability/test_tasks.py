from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest

from syncline_protocol.errors import Code, Refusal
from syncline_server.observability.tasks import PeriodicTask, TaskSet

LONG = 3600.0

logger = logging.getLogger("syncline.test")


def periodic(
    work: Callable[[], Awaitable[object]], interval: float | Callable[[], float] = LONG
) -> PeriodicTask:
    return PeriodicTask(work, interval, name="the work", logger=logger)


class Runs:
    """Work that counts its runs, and fails with the given errors first."""

    def __init__(self, *errors: Exception | None) -> None:
        self.errors = list(errors)
        self.started: asyncio.Queue[int] = asyncio.Queue()
        self.count = 0

    async def __call__(self) -> None:
        self.count += 1
        self.started.put_nowait(self.count)
        if self.errors and (error := self.errors.pop(0)) is not None:
            raise error


class TestPeriodicTask:
    async def test_runs_at_once_and_again_after_each_pause(self) -> None:
        runs = Runs()
        task = periodic(runs, 0.0)
        task.start()
        assert [await runs.started.get() for _ in range(3)] == [1, 2, 3]
        await task.stop()

    async def test_can_begin_with_a_pause(self) -> None:
        runs = Runs()
        task = periodic(runs)
        task.start(pause_first=True)
        await asyncio.sleep(0)
        assert not runs.count
        task.wake()
        assert await runs.started.get() == 1
        await task.stop()

    async def test_asks_for_each_pause(self) -> None:
        runs, pauses = Runs(), [0.0, 0.0, LONG]
        task = periodic(runs, lambda: pauses.pop(0))
        task.start()
        assert [await runs.started.get() for _ in range(3)] == [1, 2, 3]
        await task.stop()
        assert not pauses

    async def test_a_wake_up_during_a_run_is_not_lost(self) -> None:
        begun, go_on = asyncio.Queue[None](), asyncio.Event()

        async def work() -> None:
            begun.put_nowait(None)
            await go_on.wait()

        task = periodic(work)
        task.start()
        await begun.get()
        task.wake()
        go_on.set()
        await begun.get()
        await task.stop()

    async def test_a_run_under_way_does_not_count_as_run_again(self) -> None:
        begun, go_on = asyncio.Queue[None](), asyncio.Queue[None]()

        async def work() -> None:
            begun.put_nowait(None)
            await go_on.get()
            raise ValueError

        task = periodic(work)
        task.start()
        await begun.get()
        again = [asyncio.create_task(task.run_again()) for _ in range(2)]
        await asyncio.sleep(0)
        go_on.put_nowait(None)
        await begun.get()
        assert not any(each.done() for each in again)
        go_on.put_nowait(None)
        await asyncio.gather(*again)
        await task.stop()

    async def test_stop_ends_the_work_under_way(self) -> None:
        begun, ended = asyncio.Event(), asyncio.Event()

        async def work() -> None:
            begun.set()
            try:
                await asyncio.sleep(LONG)
            finally:
                ended.set()

        task = periodic(work)
        task.start()
        await begun.wait()
        await task.stop()
        assert ended.is_set()

    async def test_stop_before_start_does_nothing(self) -> None:
        await periodic(Runs()).stop()

    async def test_goes_on_after_failures_and_logs_equal_ones_once(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        away = Refusal(Code.UNAVAILABLE, "The store is away.")
        runs = Runs(away, away, ValueError("x"), ValueError("y"), away, None, away)
        task = periodic(runs, 0.0)
        with caplog.at_level(logging.DEBUG, "syncline.test"):
            task.start()
            while await runs.started.get() < 8:
                pass
            await task.stop()
        logged = [(record.levelname, record.message) for record in caplog.records]
        waits = ("DEBUG", "the work waits: The store is away.")
        assert logged == [waits, ("ERROR", "the work failed"), waits, waits]


class TestTaskSet:
    async def test_forgets_tasks_that_have_ended(self) -> None:
        tasks = TaskSet()
        task = tasks.spawn(asyncio.sleep(0, "done"))
        assert len(tasks) == 1
        assert await task == "done"
        await asyncio.sleep(0)
        assert not len(tasks)

    async def test_close_cancels_them_and_waits(self) -> None:
        tasks, ended = TaskSet(), []

        async def work() -> None:
            try:
                await asyncio.sleep(LONG)
            finally:
                await asyncio.sleep(0)
                ended.append(True)

        for _ in range(2):
            tasks.spawn(work())
        await asyncio.sleep(0)
        await tasks.aclose()
        assert ended == [True, True]

    async def test_waiting_ends_with_the_last_task_or_at_the_timeout(self) -> None:
        tasks = TaskSet()
        await tasks.wait(LONG)
        tasks.spawn(asyncio.sleep(0))
        await tasks.wait(LONG)
        blocked = tasks.spawn(asyncio.sleep(LONG))
        await tasks.wait(0.0)
        assert not blocked.done()
        await tasks.aclose()
