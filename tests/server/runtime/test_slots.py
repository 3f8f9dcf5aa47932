"""One worker's place at the supervisor, and what happens to processes that nobody needs."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import PIPE, Process
from types import SimpleNamespace
from typing import cast

import psutil

from support.store import WAIT_LIMIT, eventually
from syncline_server.runtime.supervisor import Workers, _Slot


class Orders:
    """Workers that never give orders."""

    stop_timeout = WAIT_LIMIT
    hang_timeout = 600.0

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def orders(self, slot: _Slot) -> bytes:
        self.asked.set()
        await asyncio.Event().wait()
        return b""


class Place(_Slot):
    """A place whose workers start when the test says so, and say nothing."""

    def __init__(self) -> None:
        workers = SimpleNamespace(stop_timeout=WAIT_LIMIT, hang_timeout=600.0)
        super().__init__(cast(Workers, workers), 0, [])
        self.begun = 0
        self.started: list[Process] = []
        self.may_start: asyncio.Queue[None] = asyncio.Queue()

    @property
    def process(self) -> Process | None:
        return self._process

    async def _start(self) -> Process | None:
        self.begun += 1
        await self.may_start.get()
        process = await asyncio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE)
        self.started.append(process)
        return process


async def test_a_renewal_during_which_the_worker_dies_leaves_one_that_is_watched() -> None:
    place = Place()
    keeping = asyncio.create_task(place.run())
    place.may_start.put_nowait(None)
    await eventually(lambda: place.process is not None)
    renewing = asyncio.create_task(place.renew())
    await eventually(lambda: place.begun == 2)
    place.started[0].kill()
    await eventually(lambda: place.begun == 3)
    place.may_start.put_nowait(None)
    await asyncio.wait_for(renewing, WAIT_LIMIT)
    [_, renewed] = place.started
    place.may_start.put_nowait(None)
    try:
        await eventually(lambda: len(place.started) == 3)
        await asyncio.wait_for(renewed.wait(), WAIT_LIMIT)
        await eventually(lambda: place.process is place.started[2])
        assert place.started[2].returncode is None
    finally:
        keeping.cancel()
        await place.stop()


async def test_a_start_that_is_cancelled_leaves_no_process() -> None:
    workers = Orders()
    before = set(psutil.Process().children())
    starting = asyncio.create_task(_Slot(cast(Workers, workers), 0, [])._start())
    await asyncio.wait_for(workers.asked.wait(), WAIT_LIMIT)
    [child] = set(psutil.Process().children()) - before
    starting.cancel()
    await asyncio.wait([starting])
    assert not child.is_running()
