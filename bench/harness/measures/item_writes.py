"""Measures writes of items beside updates of documents, on one server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from bench.harness.bench import Bench
from bench.harness.collection import MAP_NAME, MAP_PATH, item_key, opened_collection
from bench.harness.load import group
from bench.harness.outcome import Outcome
from bench.harness.rounds import Figures, Sampler, column, print_line, take_turns
from bench.harness.syncline import Native, authorization
from bench.harness.target import Site
from bench.harness.test_bed import TestBed, running_test_bed

__all__ = ["item_writes"]

CLIENTS = 16
SETTLING = 0.5

ITEMS = 1000

BATCH = 100
"""Operations of a batch: the server's limit."""

SERVER, REDIS = "CPU-microseconds of the server", "CPU-microseconds of Redis"


def item_writes(bench: Bench) -> list[Outcome]:
    """The same server, wire and load client for each kind of write."""
    measure = f"writes of 200 bytes by REST, {CLIENTS} clients"
    print_line(measure)
    with running_test_bed(Native(), CLIENTS, bench.appendfsync) as test_bed:
        asyncio.run(_fill(test_bed.site, ITEMS))
        kinds = _kinds_of_writes(test_bed.site)
        samplers = [
            Sampler(name, partial(_writing, test_bed, lines, bench.seconds, count))
            for name, (count, lines) in kinds.items()
        ]
        samples = take_turns(samplers, bench.rounds)
    base = next(iter(kinds))
    return [
        Outcome(measure, f"{figure}, a write", column(samples, figure), base, less_is_better=True)
        for figure in (SERVER, REDIS)
    ]


def _kinds_of_writes(site: Site) -> dict[str, tuple[int, list[str]]]:
    """By name: the writes of one request, and the lines of a client that sends it."""
    form = [
        "header Content-Type: application/x-www-form-urlencoded",
        'publish Data={"text":"{text}"}',
    ]
    operations = [
        {"op": "put", "key": item_key(number), "data": {"text": "{text}"}}
        for number in range(BATCH)
    ]
    batch = json.dumps({"operations": operations}, separators=(",", ":"))
    return {
        "document, update": (
            1,
            ["verb POST", "path /v1/Services/default/Documents/bench-{doc}", *form],
        ),
        "map item, put": (1, ["verb PUT", f"path {MAP_PATH}/Items/item-000{{doc}}", *form]),
        f"map item, put in batches of {BATCH}": (
            BATCH,
            [
                "verb POST",
                f"path {MAP_PATH}/Batch",
                "header Content-Type: application/json",
                f"publish {batch}",
            ],
        ),
    }


@contextmanager
def _writing(
    test_bed: TestBed, lines: list[str], seconds: float, count: int
) -> Iterator[Callable[[], Figures]]:
    site = test_bed.site
    login = f"header Authorization: {authorization(site)}"
    script = group("writers", CLIENTS, site, ["speak http", login, *lines])

    def measure() -> Figures:
        with test_bed.load(script) as load:
            load.publish("inflight", 1, SETTLING)
            run = test_bed.measure(partial(load.publish, "inflight", 1, seconds))
        if run.result["refused"]:
            raise RuntimeError(f"{run.result['refused']} requests were refused")
        done = run.result["acknowledged"] * count
        return {SERVER: run.cpu / done * 1e6, REDIS: run.redis_cpu / done * 1e6}

    yield measure


async def _fill(site: Site, count: int) -> None:
    async with opened_collection(site.redis, MAP_NAME) as collection:
        await collection.fill(range(count))
