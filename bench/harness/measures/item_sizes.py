"""Measures pages and replays of a map with few items and with many, and the memory of items."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from bench.harness.bench import Bench
from bench.harness.collection import MAP_PATH, Collection, item_key, running_collection
from bench.harness.load import group
from bench.harness.outcome import Goal, Outcome
from bench.harness.rounds import Figures, Sampler, column, print_line, take_turns
from bench.harness.syncline import Native, authorization
from bench.harness.target import Site
from bench.harness.test_bed import TestBed, running_test_bed

__all__ = ["item_memory", "item_sizes"]

CLIENTS = 4

FEW = 1000

POSITIONS = 1000
"""Different pages that the clients read: of many items, most are in no cache of the processor."""

REPLAYS = 200
"""Replays of a round."""

PAGE_SIZE, CHANGES = 50, 100

PAGE, REPLAY = f"a page of {PAGE_SIZE}", f"a replay of {CHANGES} changes"
OF_REDIS = ", Redis alone"

LIVE, REMOVED = "bytes of a live item", "bytes of a removed item"

MOST_REMOVED = 50_000
"""Removed items that are weighed, at most: a map keeps 100,000."""


def item_sizes(bench: Bench) -> list[Outcome]:
    """Pages by REST; replays through the storage layer, which is a part of every wire."""
    few, many = _name(FEW), _name(bench.many_items)
    measure = f"cost with {few} and with {many}"
    print_line(measure)
    samples = take_turns(
        [
            Sampler(_name(count), partial(_filled, bench, count))
            for count in (FEW, bench.many_items)
        ],
        bench.rounds,
    )
    goals = [Goal(many, "≤ 1.5", most=1.5)]
    return [
        Outcome(
            measure,
            f"CPU-microseconds of {figure}",
            column(samples, figure),
            few,
            less_is_better=True,
            goals=[] if figure.endswith(OF_REDIS) else goals,
        )
        for figure in (PAGE, PAGE + OF_REDIS, REPLAY, REPLAY + OF_REDIS)
    ]


def item_memory(bench: Bench) -> list[Outcome]:
    """Bytes of Redis' memory for each item, its data of 200 bytes included."""
    measure = "memory of an item"
    print_line(measure)
    counts = (FEW, 30 * FEW, bench.many_items)
    samplers = [Sampler(_name(count), partial(_weighed, count)) for count in counts]
    samples = take_turns(samplers, 1)
    return [
        Outcome(measure, figure, column(samples, figure), less_is_better=True)
        for figure in (LIVE, REMOVED)
    ]


def _name(count: int) -> str:
    return f"{count:,} items"


@contextmanager
def _filled(bench: Bench, count: int) -> Iterator[Callable[[], Figures]]:
    # No fsync: it takes time, but no CPU time.
    with (
        running_test_bed(Native(), 1, "no") as test_bed,
        running_collection(test_bed) as (collection, runner),
    ):
        runner.run(collection.fill(shuffled(count)))
        since = runner.run(collection.revision())
        runner.run(collection.put(range(0, count, count // CHANGES)))
        script = _page_script(test_bed.site, count)

        def measure() -> Figures:
            with test_bed.load(script) as load:
                run = test_bed.measure(partial(load.publish, "inflight", 1, bench.seconds))
            pages = run.result["acknowledged"]
            own, redis = runner.run(_replay(collection, test_bed, since))
            return {
                PAGE: (run.cpu + run.redis_cpu) / pages * 1e6,
                PAGE + OF_REDIS: run.redis_cpu / pages * 1e6,
                REPLAY: (own + redis) / REPLAYS * 1e6,
                REPLAY + OF_REDIS: redis / REPLAYS * 1e6,
            }

        yield measure


def shuffled(count: int) -> list[int]:
    """The numbers of all items, in an order in which no client would add them on purpose: in the
    order of the keys, items that share a page would share memory too."""
    numbers = list(range(count))
    random.Random(1).shuffle(numbers)
    return numbers


def _page_script(site: Site, count: int) -> list[str]:
    step = (count - PAGE_SIZE) / POSITIONS
    firsts = [item_key(int(number * step)) for number in range(POSITIONS)]
    return group(
        "readers",
        CLIENTS,
        replace(site, documents=POSITIONS),
        [
            f"list first doc {' '.join(firsts)}",
            *("speak http", f"path {MAP_PATH}/Items?PageSize={PAGE_SIZE}&From={{first}}"),
            f"header Authorization: {authorization(site)}",
            "publish ",
        ],
        each=POSITIONS // CLIENTS,
    )


async def _replay(collection: Collection, test_bed: TestBed, since: int) -> tuple[float, float]:
    """CPU seconds of this process and of Redis."""
    own, redis = time.process_time(), test_bed.redis.cpu()
    for _ in range(REPLAYS):
        found = await collection.changes_since(since)
        if len(found.changes) != CHANGES:
            raise RuntimeError(f"a replay had {len(found.changes)} changes")
    return time.process_time() - own, test_bed.redis.cpu() - redis


@contextmanager
def _weighed(count: int) -> Iterator[Callable[[], Figures]]:
    with (
        running_test_bed(Native(), 1, "no") as test_bed,
        running_collection(test_bed) as (collection, runner),
    ):

        def measure() -> Figures:
            empty = runner.run(collection.redis_memory())
            numbers = shuffled(count)
            runner.run(collection.fill(numbers))
            full = runner.run(collection.redis_memory())
            gone = numbers[: min(count // 2, MOST_REMOVED)]
            runner.run(collection.clear(gone))
            after = runner.run(collection.redis_memory())
            live = (full - empty) / count
            return {LIVE: live, REMOVED: (after - full) / len(gone) + live}

        yield measure
