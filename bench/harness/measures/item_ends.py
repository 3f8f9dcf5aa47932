"""Measures what the end of many items costs others: they expire, or their map is removed."""

from __future__ import annotations

import asyncio
import http.client
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from statistics import median
from typing import Any

from bench.harness.bench import Bench
from bench.harness.collection import (
    MAP_NAME,
    MAP_PATH,
    Collection,
    opened_collection,
    running_collection,
)
from bench.harness.load import Load, group
from bench.harness.outcome import Goal, Outcome
from bench.harness.rounds import Figures, Sampler, Samples, column, print_line, take_turns
from bench.harness.syncline import Native, authorization
from bench.harness.target import Site
from bench.harness.test_bed import TestBed, running_test_bed
from redis import Redis

from syncline_server.storage import keys

__all__ = ["item_expiry", "item_removal"]

WRITERS, RATE = 20, 500
"""Writers of other documents, and the writes a second of all of them."""

WINDOW = 1.0
"""Seconds of one 99th percentile; medians of several are compared."""

IDLE_WINDOWS = 5

MARGIN = 3.0
"""Seconds between the last idle window and the expiry, at least."""

PATIENCE = 60.0
"""Seconds in which all items must be gone."""

POLL_INTERVAL = 0.05

IDLE, BUSY = "before", "meanwhile"
AT_REMOVAL, WHILE_FREED = "in the second of the removal", "while its memory is freed"
AT_ONCE = "while Redis frees the rest at once, for comparison"
GONE = "seconds until all are removed and published"
ANSWER = "milliseconds until it is answered"
FREEING = "seconds until the memory is free, by what is freed in the first ones"


def item_expiry(bench: Bench) -> list[Outcome]:
    """Each item has a TTL of its own, by which all expire within one second."""
    measure = f"{bench.expiring_items:,} items expire in one second"
    print_line(measure)
    with running_test_bed(Native(), WRITERS, bench.appendfsync) as test_bed:
        samples = take_turns([Sampler(measure, partial(_expiring, bench, test_bed))], bench.rounds)
    goal = Goal(measure, "≤ 5", is_ratio=False, most=5)
    return [
        Outcome(measure, GONE, column(samples, GONE), less_is_better=True, goals=[goal]),
        _other_writes(measure, samples, Goal(BUSY, "≤ 3", most=3)),
    ]


def item_removal(bench: Bench) -> list[Outcome]:
    """The request removes the map; the server frees its memory in the background, in portions."""
    measure = f"removal of a map of {bench.many_items:,} items"
    print_line(measure)
    with running_test_bed(Native(), WRITERS, bench.appendfsync) as test_bed:
        samples = take_turns([Sampler(measure, partial(_removing, bench, test_bed))], bench.rounds)
    goal = Goal(measure, "≤ 50", is_ratio=False, most=50)
    return [
        Outcome(measure, ANSWER, column(samples, ANSWER), less_is_better=True, goals=[goal]),
        Outcome(measure, FREEING, column(samples, FREEING), less_is_better=True),
        _other_writes(
            measure,
            samples,
            *(Goal(name, "≤ 1.5", most=1.5) for name in (AT_REMOVAL, WHILE_FREED)),
            others=(AT_ONCE,),
        ),
    ]


def _other_writes(
    measure: str, samples: Samples, *goals: Goal, others: Sequence[str] = ()
) -> Outcome:
    names = (IDLE, *(goal.contender for goal in goals), *others)
    return Outcome(
        measure,
        "99th percentile of writes of other documents, microseconds",
        {name: column(samples, name)[measure] for name in names},
        IDLE,
        less_is_better=True,
        goals=goals,
    )


@contextmanager
def _expiring(bench: Bench, test_bed: TestBed) -> Iterator[Callable[[], Figures]]:
    with (
        running_collection(test_bed) as (collection, runner),
        test_bed.load(_writers(test_bed.site)) as load,
    ):
        yield lambda: runner.run(_expire(collection, test_bed.site, load, bench.expiring_items))


async def _expire(collection: Collection, site: Site, load: Load, count: int) -> Figures:
    # The second fill sets the expiry, and must end before it: the first one says how long it takes.
    began = time.time()
    await collection.fill(range(count))
    expiry = 2 * time.time() - began + IDLE_WINDOWS * WINDOW + MARGIN
    await collection.fill(range(count), expiry=expiry)
    with ThreadPoolExecutor() as threads:
        gone = threads.submit(_last_removal, site, collection.channel, count)
        idle = [_p99(load) for _ in range(IDLE_WINDOWS)]
        if time.time() > expiry - WINDOW:
            raise RuntimeError("the fill took too long")
        time.sleep(expiry - WINDOW / 2 - time.time())
        busy = [_p99(load)]
        while not gone.done():
            busy.append(_p99(load))
    # Rounded TTLs: an item expires up to half a second after `expiry`.
    return {GONE: gone.result() - expiry - 0.5, IDLE: median(idle), BUSY: median(busy)}


def _last_removal(site: Site, channel: str, count: int) -> float:
    """The time at which the events of a collection have named `count` removals of items."""
    deadline, seen = time.time() + PATIENCE, 0
    redis: Any = Redis.from_url(site.redis)
    with redis, redis.pubsub(ignore_subscribe_messages=True) as subscriber:
        subscriber.subscribe(channel)
        while seen < count:
            if time.time() > deadline:
                raise RuntimeError(f"after {PATIENCE:.0f} s, {count - seen:,} items are not gone")
            message = subscriber.get_message(timeout=1)
            if message is not None:
                head = message["data"].partition(b"\n")[0]
                seen += head.count(b'"expired":true')
    return time.time()


@contextmanager
def _removing(bench: Bench, test_bed: TestBed) -> Iterator[Callable[[], Figures]]:
    with test_bed.load(_writers(test_bed.site)) as load:
        yield lambda: asyncio.run(_remove(test_bed.site, load, bench.many_items))


async def _remove(site: Site, load: Load, count: int) -> Figures:
    async with opened_collection(site.redis, MAP_NAME) as collection:
        await collection.fill(range(count))
    idle = [_p99(load) for _ in range(IDLE_WINDOWS)]
    with ThreadPoolExecutor() as threads:
        removal = threads.submit(_removed, site)
        at_removal = _p99(load)
        answer = removal.result()
    with Redis.from_url(site.redis) as redis:
        began, before = time.perf_counter(), _garbage(redis)
        while_freed = [_p99(load) for _ in range(IDLE_WINDOWS)]
        freed, took = before - _garbage(redis), time.perf_counter() - began
        with ThreadPoolExecutor() as threads:
            threads.submit(_drop_garbage, redis)
            at_once = _p99(load)
    return {
        ANSWER: answer * 1000,
        FREEING: before / freed * took,
        IDLE: median(idle),
        AT_REMOVAL: at_removal,
        WHILE_FREED: median(while_freed),
        AT_ONCE: at_once,
    }


def _removed(site: Site) -> float:
    """Remove the map; seconds until the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", site.port)
    connection.connect()
    time.sleep(WINDOW / 5)
    began = time.perf_counter()
    connection.request("DELETE", MAP_PATH, headers={"Authorization": authorization(site)})
    status = connection.getresponse().status
    answered = time.perf_counter()
    connection.close()
    if status != 204:
        raise RuntimeError(f"the removal was answered with {status}")
    return answered - began


def _garbage(redis: Any) -> int:
    """The entries that are still to free."""
    keys_left = list(redis.scan_iter("*:garbage:*", count=10_000))
    sizes = {b"hash": redis.hlen, b"zset": redis.zcard}
    return sum(sizes[redis.type(key)](key) for key in keys_left)


def _drop_garbage(redis: Any) -> None:
    """Free the rest by one command, as a server would that does not free it in portions."""
    time.sleep(WINDOW / 5)
    redis.unlink(keys.GARBAGE, *redis.scan_iter("*:garbage*", count=10_000))
    while redis.info("memory")["lazyfree_pending_objects"]:
        time.sleep(POLL_INTERVAL)


def _writers(site: Site) -> list[str]:
    return group("writers", WRITERS, site, Native().writer(site))


def _p99(load: Load) -> float:
    """99th percentile of the writes in one window, from sending to the answer."""
    result = load.publish("rate", RATE, WINDOW)
    if result["refused"]:
        raise RuntimeError(f"{result['refused']} writes were refused")
    found: float = result["answer_us"]["p99"]
    return found
