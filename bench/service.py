"""Measures what the clients of back ends cost, beside bare HTTP clients and the vendor's helper.

    python -m bench.service [--calls 100] [--rounds 30] [--increments 10000]

Starts its own server. For each contender it prints the processor time of this process for a read
and for a write of one document, and the calls a second of one thread; the contenders take turns.
Then 16 threads and a forked worker increment one number, and the sum is compared.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import statistics
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx2
import orjson
from bench.turns import serving
from twilio.rest import Client

from syncline import AsyncService, Service

DATA = {"text": "x" * 180}
THREADS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A client, with a read and a write of the same document.

    Attributes:
        bare: name of the HTTP client that it is compared with.
    """

    name: str
    bare: str
    read: Callable[[], object]
    write: Callable[[], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Microseconds of processor time a call, and calls a second."""

    cpu: float
    rate: float


def measure(call: Callable[[], object], calls: int) -> Cost:
    """Repeat a call."""
    began, cpu = time.perf_counter(), time.process_time()
    for _ in range(calls):
        call()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - began
    return Cost(cpu=cpu / calls * 1e6, rate=calls / wall)


def contenders(
    url: str, basic: tuple[str, str], loop: asyncio.AbstractEventLoop
) -> list[Contender]:
    """All contenders, each with one warm connection."""
    service = Service(url, *basic)
    document = service.documents.get_or_create("bench", DATA)
    asynchronous = AsyncService(url, *basic).documents.at("bench")

    http = httpx2.Client(base_url=url, auth=basic)
    async_http = httpx2.AsyncClient(base_url=url, auth=basic)
    path, form = "/v1/Services/default/Documents/bench", {"Data": json.dumps(DATA)}

    vendor = Client(*basic)
    vendor.sync.base_url = url
    helper = vendor.sync.v1.services("default").documents("bench")

    def wait(call: Callable[[], Awaitable[Any]]) -> Callable[[], object]:
        async def awaited() -> Any:
            return await call()

        return lambda: loop.run_until_complete(awaited())

    async def async_get() -> Any:
        return orjson.loads((await async_http.get(path)).content)

    async def async_post() -> Any:
        return orjson.loads((await async_http.post(path, data=form)).content)

    return [
        Contender(
            name="httpx2.Client",
            bare="httpx2.Client",
            read=lambda: orjson.loads(http.get(path).content),
            write=lambda: orjson.loads(http.post(path, data=form).content),
        ),
        Contender(
            name="syncline.Service",
            bare="httpx2.Client",
            read=document.refresh,
            write=lambda: document.set(DATA),
        ),
        Contender(
            name="twilio",
            bare="httpx2.Client",
            read=helper.fetch,
            write=lambda: helper.update(data=DATA),
        ),
        Contender(
            name="httpx2.AsyncClient",
            bare="httpx2.AsyncClient",
            read=wait(async_get),
            write=wait(async_post),
        ),
        Contender(
            name="syncline.AsyncService",
            bare="httpx2.AsyncClient",
            read=wait(asynchronous.refresh),
            write=wait(lambda: asynchronous.set(DATA)),
        ),
    ]


def compare(found: list[Contender], calls: int, rounds: int) -> None:
    """Print medians of the rounds, in which the contenders take turns; ratios are of one round."""
    costs: dict[tuple[str, str], list[Cost]] = {}
    for _ in range(rounds):
        for each in found:
            for verb, call in (("read", each.read), ("write", each.write)):
                measure(call, calls // 10)
                costs.setdefault((each.name, verb), []).append(measure(call, calls))
    for verb in ("read", "write"):
        for each in found:
            measured = costs[each.name, verb]
            bare = costs[each.bare, verb]
            cpu = statistics.median(cost.cpu for cost in measured)
            ratios = [cost.cpu / other.cpu for cost, other in zip(measured, bare, strict=True)]
            rate = statistics.median(cost.rate for cost in measured)
            print(
                f"{verb:5} {each.name:22} {cpu:6.0f} µs, {statistics.median(ratios):.2f} of "
                f"{each.bare}, {rate:.0f} calls/s"
            )


def increment(service: Service, count: int) -> None:
    """Increment the number of one document."""
    document = service.documents.at("counter")
    for _ in range(count):
        document.increment("/n")


def count_up(service: Service, increments: int) -> None:
    """Increment from 16 threads and from a forked worker that inherits the open pool."""
    service.documents.create("counter", {"n": 0})
    share = increments // (THREADS + 1)
    worker = multiprocessing.get_context("fork").Process(
        target=increment, args=(service, increments - share * THREADS)
    )
    began, cpu = time.perf_counter(), time.process_time()
    worker.start()
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(lambda _: increment(service, share), range(THREADS)))
    cpu = time.process_time() - cpu
    worker.join()
    wall = time.perf_counter() - began
    total = service.documents["counter"].data["n"]
    verdict = "exact" if total == increments and worker.exitcode == 0 else "WRONG"
    print(
        f"{increments} increments by {THREADS} threads and a forked worker: {total}, {verdict}; "
        f"{increments / wall:.0f}/s, {cpu / (share * THREADS) * 1e6:.0f} µs of this process each"
    )


def main() -> None:
    """Run everything."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--calls", type=int, default=100, help="calls in a round")
    options.add_argument("--rounds", type=int, default=30)
    options.add_argument("--increments", type=int, default=10_000)
    given = options.parse_args()
    loop = asyncio.new_event_loop()
    with serving() as server:
        compare(contenders(server.url, server.basic, loop), given.calls, given.rounds)
        with Service(server.url, *server.basic) as service:
            count_up(service, given.increments)


if __name__ == "__main__":
    main()
