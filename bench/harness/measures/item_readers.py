"""Measures readers of large maps: one that comes back, and some that stand still."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from statistics import median
from typing import Any

from bench.harness.bench import Bench
from bench.harness.collection import MAP_NAME, Collection, opened_collection, running_collection
from bench.harness.measures.item_sizes import shuffled
from bench.harness.native_client import NativeClient, connected
from bench.harness.outcome import Goal, Outcome
from bench.harness.rounds import Figures, Sampler, Samples, column, print_line, take_turns
from bench.harness.syncline import Native
from bench.harness.test_bed import TestBed, running_test_bed

__all__ = ["item_resume", "item_stalled"]

FEW, CHANGES = 1000, 100

RESUMES = 40
"""Resumes of each map in a round, in turn; the median counts."""

TIME, BYTES = "microseconds from the connect to the last change", "bytes that are received"

STALLED = 20
"""Readers that stand still: memory is too coarse to weigh one."""

STALLED_ITEMS = 20_000
BATCH = 100

MEMORY = "KiB of the server's memory for each"
CAUGHT_UP = "readers that have the server's state after they drained"
DRAINING = "seconds until all have it"

READ_TIMEOUT = 120.0


class Patient(Native):
    """A server that keeps readers that stand still for longer than the measure takes."""

    options = ("--slow-reader-timeout=600",)


def item_resume(bench: Bench) -> list[Outcome]:
    """A client connects, authenticates and opens a map with the revision that it has."""
    few, many = f"{FEW:,} items", f"{bench.many_items:,} items"
    measure = f"resume of a map after {CHANGES} changes"
    print_line(measure)
    with running_test_bed(Native(), 1, "no") as test_bed, asyncio.Runner() as runner:
        since = {
            name: runner.run(_changed(test_bed, name, count))
            for name, count in ((few, FEW), (many, bench.many_items))
        }
        rounds: Samples = {few: [], many: []}
        for number in range(bench.rounds):
            for name, figures in runner.run(_resume_in_turn(test_bed, since)).items():
                rounds[name].append(figures)
                print_line(f"  round {number + 1}, {name}: {figures}")
    goals = [Goal(many, "≤ 2", most=2)]
    return [
        Outcome(measure, figure, column(rounds, figure), few, less_is_better=True, goals=goals)
        for figure in (TIME, BYTES)
    ]


async def _changed(test_bed: TestBed, name: str, count: int) -> int:
    """Make a map, and change some of its items; its revision before that."""
    async with opened_collection(test_bed.site.redis, name) as collection:
        await collection.fill(shuffled(count))
        since = await collection.revision()
        await collection.put(range(0, count, count // CHANGES))
        return since


async def _resume_in_turn(test_bed: TestBed, since: dict[str, int]) -> dict[str, Figures]:
    times: dict[str, list[float]] = {name: [] for name in since}
    sizes: dict[str, int] = {}
    for _ in range(RESUMES):
        for name, revision in since.items():
            began = time.perf_counter()
            async with connected(test_bed.site) as client:
                ok = await client.request("open", map=name, revision=str(revision))
                times[name].append((time.perf_counter() - began) * 1e6)
                sizes[name] = client.received
            if len(ok["changes"]) != CHANGES or ok["more_since"] is not None:
                raise RuntimeError(f"the resume had {len(ok['changes'])} changes")
    return {name: {TIME: median(times[name]), BYTES: sizes[name]} for name in since}


def item_stalled(bench: Bench) -> list[Outcome]:
    """Readers open a map and stop reading; then it changes, and then they read again."""
    measure = f"{STALLED} readers that stand still for {bench.stalled_changes:,} changes of a map"
    print_line(measure)
    with running_test_bed(Patient(), 1, "no") as test_bed:
        samples = take_turns([Sampler(measure, partial(_stalling, bench, test_bed))], bench.rounds)
    goals = {
        MEMORY: [Goal(measure, "≤ 2,048", is_ratio=False, most=2048)],
        CAUGHT_UP: [Goal(measure, f"= {STALLED}", is_ratio=False, least=STALLED)],
        DRAINING: [],
    }
    return [
        Outcome(
            measure,
            figure,
            column(samples, figure),
            less_is_better=figure != CAUGHT_UP,
            goals=wanted,
        )
        for figure, wanted in goals.items()
    ]


@contextmanager
def _stalling(bench: Bench, test_bed: TestBed) -> Iterator[Callable[[], Figures]]:
    with running_collection(test_bed) as (collection, runner):
        items = min(STALLED_ITEMS, bench.stalled_changes)
        runner.run(collection.fill(range(items)))
        # The first changes make the server grow in ways that have nothing to do with readers.
        runner.run(_stall(test_bed, collection, items, bench.stalled_changes // 10))
        yield lambda: runner.run(_stall(test_bed, collection, items, bench.stalled_changes))


async def _stall(test_bed: TestBed, collection: Collection, items: int, changes: int) -> Figures:
    async with AsyncExitStack() as stack:
        readers = [
            await stack.enter_async_context(connected(test_bed.site)) for _ in range(STALLED)
        ]
        since = 0
        for reader in readers:
            opened = await reader.request("open", map=MAP_NAME, items=False)
            since = int(opened["map"]["revision"])
            reader.connection.transport.pause_reading()
        before = peak = test_bed.process.memory()
        for first in range(0, changes, BATCH):
            await collection.put(number % items for number in range(first, first + BATCH))
            if first % (BATCH * 50) == 0:
                peak = max(peak, test_bed.process.memory())
        peak = max(peak, test_bed.process.memory())
        expected = await _expected(collection, since)
        began = time.perf_counter()
        for reader in readers:
            reader.connection.transport.resume_reading()
        caught_up = await asyncio.gather(*(_catches_up(each, expected) for each in readers))
    return {
        MEMORY: (peak - before) / STALLED / 1024,
        CAUGHT_UP: sum(caught_up),
        DRAINING: time.perf_counter() - began,
    }


async def _expected(collection: Collection, since: int) -> dict[str, str]:
    """The revision of each item that changed after `since`."""
    found: dict[str, str] = {}
    while True:
        replay = await collection.changes_since(since)
        found.update((each.key, str(each.revision)) for each in replay.changes)
        if replay.more_since is None:
            return found
        since = replay.more_since


async def _catches_up(reader: NativeClient, expected: dict[str, str]) -> bool:
    """Read until the newest change; True if the last revision received of each item is its newest.

    Also false if a change arrives out of order.
    """
    newest = max(map(int, expected.values()))
    state: dict[str, str] = {}
    last = 0
    try:
        async with asyncio.timeout(READ_TIMEOUT):
            while last < newest:
                for change in _changes_of(await reader.message()):
                    revision = int(change["revision"])
                    if revision <= last:
                        return False
                    last = revision
                    state[change["key"]] = change["revision"]
    except TimeoutError:
        return False
    return state == expected


def _changes_of(message: dict[str, Any]) -> Sequence[dict[str, Any]]:
    match message["event"]:
        case "items":
            changes: Sequence[dict[str, Any]] = message["changes"]
            return changes
        case "expiry":  # comes after a read from the store, whether the expiry changed or not
            return ()
    raise RuntimeError(message)
