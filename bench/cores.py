"""Measures what more cores and more shards cost: CPU-seconds, those of the clients not counted.

    python -m bench.cores [--quick] [--only workers|processes|shards] [--output DIRECTORY]

workers: fan-out to 1,000 subscribers with `--workers` 1, 2 and 4. processes: one event that each of
1 to 16 processes must receive, with the same number of subscribers in all, on a Redis that does not
sync its file; the slope of the line through the points is what each further process costs. shards:
writes and events on a Redis Cluster of 1, 3 and 6 shards. Bounded: about eight minutes, `--quick`
about three.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from bench.harness.bench import Bench
from bench.harness.cluster import running_cluster
from bench.harness.ending import end_on_sigterm
from bench.harness.fit import line
from bench.harness.load import Load, LoadError, group
from bench.harness.processes import Process, free_ports
from bench.harness.redis import start_redis
from bench.harness.results import circumstances
from bench.harness.rounds import print_line
from bench.harness.syncline import Native
from bench.harness.target import Site

RESULTS = Path(__file__).parent / "results"
WORKERS, PROCESSES, SHARDS = (1, 2, 4), (1, 2, 4, 8, 16), (1, 3, 6)
SUBSCRIBERS = 1000
SPREAD_SUBSCRIBERS = 320
"""Enough that each of 16 processes gets some of them."""

EVENTS_A_SECOND = 100
WRITERS = 100
Row = dict[str, float]


class Workers(Native):
    """A server with `count` processes."""

    def __init__(self, count: int) -> None:
        self.options = (f"--workers={count}",)


@dataclass(frozen=True, kw_only=True)
class Spending:
    """Processor time of a server and of the shards of its Redis, and the server's memory."""

    server: Callable[[], float]
    shards: Callable[[], list[float]]
    memory: Callable[[], int]

    def of(self, run: Callable[[], dict[str, Any]]) -> tuple[dict[str, Any], float, list[float]]:
        """What a run counts, and what it costs the server and each shard, in microseconds."""
        server, shards = self.server(), self.shards()
        result = run()
        spent = [(now - before) * 1e6 for now, before in zip(self.shards(), shards, strict=True)]
        return result, (self.server() - server) * 1e6, spent


@contextmanager
def running(
    workers: int, documents: int, appendfsync: str, shards: int = 0
) -> Iterator[tuple[Site, Spending]]:
    """Run a server on a Redis, or on a Cluster with so many shards."""
    with TemporaryDirectory(prefix="bench-") as made:
        directory, port = Path(made), free_ports()
        with _redis(directory, shards, appendfsync) as (url, processes):
            own = directory / "target"
            own.mkdir()
            site, target = Site(port, url, own, documents), Workers(workers)
            process = Process(target.command(site), port, directory / "log")
            try:
                target.prepare(site)
                cpu = partial(_all_cpu, processes)
                yield site, Spending(server=process.cpu, shards=cpu, memory=process.memory)
            finally:
                process.stop()


@contextmanager
def _redis(
    directory: Path, shards: int, appendfsync: str
) -> Iterator[tuple[str, Sequence[Process]]]:
    if shards:
        with running_cluster(shards, directory, appendfsync) as cluster:
            yield cluster.url, cluster.shards
        return
    port = free_ports()
    redis = start_redis(port, directory / "redis", appendfsync)
    try:
        yield f"redis://127.0.0.1:{port}", [redis]
    finally:
        redis.stop()


def _all_cpu(processes: Sequence[Process]) -> list[float]:
    return [process.cpu() for process in processes]


def workers(count: int, seconds: float, appendfsync: str) -> Row:
    """Fan-out with so many workers, one event at a time."""
    target = Native()
    with running(count, 1, appendfsync) as (site, spending):
        script = [
            *group("subscribers", SUBSCRIBERS, site, target.subscriber(site)),
            *group("writer", 1, site, target.writer(site)),
        ]
        with Load(site.directory, script) as load:
            load.publish("window", 1, 1.0)
            result, server, redis = spending.of(partial(load.publish, "window", 1, seconds))
    return {
        "server, µs a delivery": server / result["deliveries"],
        "server, µs an event": server / result["events"],
        "Redis, µs an event": sum(redis) / result["events"],
        "deliveries per second": result["deliveries"] / result["seconds"],
    }


def processes(count: int, seconds: float, appendfsync: str) -> Row:
    """Events that so many processes must receive, without what the processes cost when idle."""
    target = Native()
    del appendfsync  # The processor time of the waits for the disk would hide the receivers'.
    with running(count, 1, "no") as (site, spending):
        script = [
            *group("subscribers", SPREAD_SUBSCRIBERS, site, target.subscriber(site)),
            *group("writer", 1, site, target.writer(site)),
        ]
        with Load(site.directory, script) as load:
            load.publish("rate", EVENTS_A_SECOND, 1.0)
            _, idle_server, idle_redis = spending.of(partial(_rest, seconds))
            publish = partial(load.publish, "rate", EVENTS_A_SECOND, seconds)
            result, server, redis = spending.of(publish)
    events = result["events"]
    return {
        "server, µs an event": (server - idle_server) / events,
        "Redis, µs an event": (sum(redis) - sum(idle_redis)) / events,
        "server, idle, µs a second": idle_server / seconds,
        "Redis, idle, µs a second": sum(idle_redis) / seconds,
    }


def shards(count: int, seconds: float, appendfsync: str) -> Row:
    """Writes that nobody reads, and writes of documents that one client each has open."""
    target = Native()
    with running(1, WRITERS, appendfsync, count) as (site, spending):
        writers = group("writers", WRITERS, site, target.writer(site))
        with Load(site.directory, writers) as load:
            load.publish("inflight", 1, 1.0)
            alone = spending.of(partial(load.publish, "inflight", 1, seconds))
        readers = group("subscribers", WRITERS, site, target.subscriber(site))
        with Load(site.directory, [*readers, *writers]) as load:
            load.publish("inflight", 1, 1.0)
            read = spending.of(partial(load.publish, "inflight", 1, seconds))
        _, idle_server, idle_redis = spending.of(partial(_rest, seconds))
    write, event = _per(alone), _per(read)
    return {
        "server, µs a write": write[0],
        "Redis, µs a write": write[1],
        "busiest shard, share": max(alone[2]) / sum(alone[2]),
        "server, µs an event more": event[0] - write[0],
        "Redis, µs an event more": event[1] - write[1],
        "server, idle, µs a second": idle_server / seconds,
        "Redis, idle, µs a second": sum(idle_redis) / seconds,
    }


def _per(spent: tuple[dict[str, Any], float, list[float]]) -> tuple[float, float]:
    result, server, redis = spent
    if not result["acknowledged"]:
        raise LoadError("nothing was written")
    return server / result["acknowledged"], sum(redis) / result["acknowledged"]


def _rest(seconds: float) -> dict[str, Any]:
    time.sleep(seconds)
    return {}


PARTS: Mapping[str, tuple[Callable[[int, float, str], Row], Sequence[int]]] = {
    "workers": (workers, WORKERS),
    "processes": (processes, PROCESSES),
    "shards": (shards, SHARDS),
}


def measure(name: str, given: argparse.Namespace) -> dict[str, Any]:
    """All rounds of one part, in turn; medians, and the line through those of `processes`."""
    part, counts = PARTS[name]
    rounds: dict[int, list[Row]] = {count: [] for count in counts}
    for number in range(given.rounds):
        for count in counts:
            rounds[count].append(part(count, given.seconds, given.appendfsync))
            print_line(f"{name} {count}, round {number + 1}: {rounds[count][-1]}")
    medians = {
        count: {figure: median(row[figure] for row in rows) for figure in rows[0]}
        for count, rows in rounds.items()
    }
    lines = {
        figure: _line([(count, row[figure]) for count, row in medians.items()])
        for figure in next(iter(medians.values()))
    }
    return {"rounds": rounds, "medians": medians, "lines": lines}


def _line(points: Sequence[tuple[float, float]]) -> dict[str, float]:
    at_zero, each = line(points)
    return {"at zero": at_zero, "each": each}


def show(name: str, found: Mapping[str, Any]) -> str:
    """A table in the form of the documentation."""
    medians: dict[int, Row] = found["medians"]
    head = [f"| {name} |", *(f" {count} |" for count in medians), " each further |"]
    lines = ["".join(head), "|---" * (len(medians) + 2) + "|"]
    for figure, fitted in found["lines"].items():
        cells = " | ".join(f"{row[figure]:,.4g}" for row in medians.values())
        lines.append(f"| {figure} | {cells} | {fitted['each']:,.3g} |")
    return "\n".join([*lines, ""])


def main() -> int:
    """Measure the chosen parts; return the exit status."""
    end_on_sigterm()
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one round of two seconds")
    parser.add_argument("--only", action="append", choices=PARTS)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--appendfsync", choices=("always", "everysec", "no"), default="always")
    parser.add_argument("--output", type=Path, default=RESULTS, help="directory for results")
    given = parser.parse_args()
    given.rounds = given.rounds or (1 if given.quick else 3)
    given.seconds = given.seconds or (2.0 if given.quick else 4.0)
    found = {}
    for name in given.only or PARTS:
        found[name] = measure(name, given)
        print(show(name, found[name]), flush=True)
    about = circumstances(Bench(given.rounds, given.seconds, given.appendfsync))
    given.output.mkdir(exist_ok=True)
    text = json.dumps({**about, "parts": found}, indent=1, ensure_ascii=False)
    (given.output / "cores.json").write_text(f"{text}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
