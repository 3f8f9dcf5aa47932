from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from support.store import WAIT_LIMIT, Service
from syncline_protocol.documents import Increment, MergePatch, OperationsPatch, Patch
from syncline_server.config.settings import Settings
from syncline_server.objects import patch_batching
from syncline_server.objects.patch_batching import PatchBatcher
from syncline_server.objects.patches import patched
from syncline_server.objects.turns import Turns
from syncline_server.objects.work import (
    SLICE,
    WorkQueue,
    work_of_form,
    work_of_json,
    work_of_patch,
    work_on_data,
)
from syncline_server.storage.author import Author


class LoopTurns:
    """Counts turns of the event loop."""

    def __init__(self) -> None:
        self.number = 0
        self._go_on = True
        asyncio.get_running_loop().call_soon(self._count)

    def _count(self) -> None:
        self.number += 1
        if self._go_on:
            asyncio.get_running_loop().call_soon(self._count)

    def stop(self) -> None:
        self._go_on = False


async def test_what_fits_into_a_slice_is_done_at_once() -> None:
    work = WorkQueue(100)
    assert [work.spend(units) for units in (40, 60, 1)] == [True, True, False]
    await work.turn(100)
    assert len(work) == 0


async def test_a_piece_that_is_larger_than_a_slice_has_one_of_its_own() -> None:
    work = WorkQueue(100)
    assert work.spend(1000)
    assert not work.spend(1)


async def test_the_loop_gets_its_turn_between_slices() -> None:
    work, turns = WorkQueue(100), LoopTurns()
    done: Counter[int] = Counter()

    async def do() -> None:
        await work.turn(30)
        done[turns.number] += 30

    async with asyncio.timeout(WAIT_LIMIT):
        await asyncio.gather(*(do() for _ in range(50)))
    turns.stop()
    assert max(done.values()) <= 100
    assert len(done) >= 15


async def test_who_comes_first_goes_first_whatever_it_costs() -> None:
    work = WorkQueue(100)
    order: list[int] = []

    async def do(number: int, units: int) -> None:
        await work.turn(units)
        order.append(number)

    costs = [90, 90, 5, 200, 5, 60, 60]
    await asyncio.gather(*(do(number, units) for number, units in enumerate(costs)))
    assert order == list(range(len(costs)))


async def test_who_has_gone_costs_nothing() -> None:
    work = WorkQueue(100)
    assert work.spend(100)
    gone = [asyncio.create_task(work.turn(100)) for _ in range(5)]
    await asyncio.sleep(0)
    for each in gone:
        each.cancel()
    turns = LoopTurns()
    await asyncio.wait_for(work.turn(100), WAIT_LIMIT)
    turns.stop()
    assert turns.number <= 4


async def test_patches_that_wait_for_one_document_leave_the_loop_its_turns(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    await service.create("doc", b'{"a":{"b":{}}}')
    settings = Settings()
    batcher = PatchBatcher(
        service.objects,
        Turns(settings.turn_timeout, settings.turn_wait, Counter()),
        WorkQueue(),
        settings,
    )
    turns = LoopTurns()
    body = OperationsPatch([{"op": "add", "path": "/a/b/c", "value": n} for n in range(1000)])
    applied: Counter[int] = Counter()

    def counting(*args: object) -> bytes:
        applied[turns.number] += work_of_patch(body)
        return patched(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(patch_batching, "patched", counting)
    author = Author(identity="alice")
    patches = [batcher.patch(service.sid, Patch("doc", body), author) for _ in range(20)]
    await asyncio.gather(*patches)
    turns.stop()
    assert applied.total() >= 20 * work_of_patch(body)
    assert max(applied.values()) <= max(SLICE, work_of_patch(body))


@pytest.mark.parametrize(
    ("small", "large"),
    [
        (work_of_json(b"[]"), work_of_json(b"[" + b"0," * 20_000 + b"0]")),
        (work_of_json(b"[]"), work_of_json(b"[" + b"{}," * 10_000 + b"{}]")),
        (work_of_json("[]"), work_of_json(f'["{"x" * 1_000_000}"]')),
        (work_of_form(b"Data=%7b%7d"), work_of_form(b"Data=" + b"%20" * 40_000)),
        (work_on_data(2), work_on_data(1_000_000)),
        (
            work_of_patch(MergePatch({})),
            work_of_patch(MergePatch({str(n): None for n in range(9000)})),
        ),
        (
            work_of_patch(Increment({"/n": 1})),
            work_of_patch(Increment({f"/{n}": 1 for n in range(3000)})),
        ),
        (
            work_of_patch(OperationsPatch([{"op": "remove", "path": "/a"}])),
            work_of_patch(OperationsPatch([{"op": "remove", "path": "/a" * 30}] * 900)),
        ),
    ],
)
def test_what_takes_long_is_counted_for_more(small: int, large: int) -> None:
    assert 0 < small < 30
    assert large > 2000
