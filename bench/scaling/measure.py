"""Measures the coefficients of the cost model, and loads that it is compared with."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from bench.cores import Spending, processes, running, shards
from bench.harness.filling import fill
from bench.harness.fit import line
from bench.harness.load import Load, group
from bench.harness.rounds import print_line
from bench.harness.syncline import Native
from bench.harness.target import Site
from redis import Redis

from .model import Coefficients, Traffic
from .redis_costs import event_cost, shard_cost

__all__ = ["Measured", "calibrate", "observe"]

CONNECTING = 200
CLIENTS_A_PROCESS = 16_000
"""Connections of one load client: below the usual limit of open files, 20,000."""

PINGS = 21.0
"""Seconds of rest: longer than the interval between pings."""

RATE = 250
"""Events per second while events are measured."""

READERS = (1, 10, 40)
"""Of each document."""

DOCUMENTS, SECONDS = 200, 4.0
CALIBRATED_CONNECTIONS, FURTHER = 4000, 20
STORED = 20_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """What a load costs: cores of all server processes and of Redis, bytes of the servers."""

    server: float
    redis: float
    server_bytes: float


class _Clients:
    """Load clients that share the subscribers of a site, so that none has too many."""

    def __init__(self, stack: ExitStack, site: Site, subscribers: int, each: int) -> None:
        lines = Native().subscriber(site)
        self.seconds = 0.0
        for number, first in enumerate(range(0, subscribers, CLIENTS_A_PROCESS)):
            count = min(CLIENTS_A_PROCESS, subscribers - first)
            script = group("subscribers", count, site, lines, each)
            options: dict[str, int] = {"connecting": CONNECTING, "first_address": 4 + number}
            load = stack.enter_context(Load(site.directory, script, **options))
            self.seconds += load.ready["seconds"]


def calibrate(appendfsync: str) -> Coefficients:
    """Measure all coefficients; about three minutes."""
    arrival, opening, rest = _arrivals(appendfsync)
    write, event, delivery = _events(appendfsync)
    print_line("processes and shards")
    one, four = (processes(count, SECONDS, appendfsync) for count in (1, 4))
    few, more = (shards(count, SECONDS, appendfsync) for count in (1, 3))
    alone = shard_cost(SECONDS)
    idle, redis_idle = "server, idle, µs a second", "Redis, idle, µs a second"
    return Coefficients(
        arrival=arrival[0],
        opening=opening[0],
        connection=rest,
        commit=write[0],
        event=event,
        delivery=delivery,
        process=four[idle] / 4,
        process_shard=max(0.0, (more[idle] - few[idle]) / 2),
        redis_arrival=arrival[1],
        redis_opening=opening[1],
        redis_commit=write[1],
        redis_event=event_cost(),
        redis_shard=alone,
        redis_process=max(0.0, (four[redis_idle] - one[redis_idle]) / 3),
        redis_process_shard=max(0.0, (more[redis_idle] - few[redis_idle]) / 2 - alone),
        connection_bytes=arrival[2],
        opening_bytes=opening[2],
        process_bytes=opening[3],
        object_bytes=_object_bytes(appendfsync),
    )


def observe(traffic: Traffic, workers: int, appendfsync: str, seconds: float) -> Measured:
    """Put the traffic on this machine, without reconnects and broadcasts, and measure it."""
    documents = round(traffic.objects)
    with running(workers, documents, appendfsync) as (site, spending), ExitStack() as stack:
        _Clients(stack, site, traffic.connections, round(traffic.open_objects))
        writers = group("writers", 10, site, Native().writer(site), max(1, documents // 10))
        with Load(site.directory, writers) as load:
            rate = max(1, round(traffic.events))
            load.publish("rate", rate, 2.0)
            publish = partial(load.publish, "rate", rate, seconds)
            began = time.monotonic()
            _, server, redis = spending.of(publish)
            took = time.monotonic() - began
        return Measured(
            server=server / took / 1e6,
            redis=sum(redis) / took / 1e6,
            server_bytes=float(spending.memory()),
        )


def _arrivals(
    appendfsync: str,
) -> tuple[tuple[float, float, float], tuple[float, float, float, float], float]:
    """Of an arrival: server, Redis, bytes; of a further object too; a connection at rest."""
    print_line("arrivals and connections at rest")
    with running(1, DOCUMENTS, appendfsync) as (site, spending), _warm(site):
        nothing, idle = spending.memory(), _per_second(spending)
        with ExitStack() as stack:
            count = CALIBRATED_CONNECTIONS
            one = _coming(spending, partial(_Clients, stack, site, count, 1), count)
            single = spending.memory()
            resting = _per_second(spending)
        rest = max(0.0, (resting - idle) / count)
    print_line("further objects")
    with running(1, DOCUMENTS, appendfsync) as (site, spending), _warm(site):
        base = spending.memory()
        with ExitStack() as stack:
            count = CALIBRATED_CONNECTIONS // 4
            many = _coming(spending, partial(_Clients, stack, site, count, 1 + FURTHER), count)
            full = spending.memory()
    connection_bytes = (single - nothing) / CALIBRATED_CONNECTIONS
    opening_bytes = ((full - base) / count - connection_bytes) / FURTHER
    server, redis = ((many[part] - one[part]) / FURTHER for part in (0, 1))
    return (
        (one[0], one[1], connection_bytes),
        (server, redis, opening_bytes, float(nothing)),
        rest,
    )


def _coming(spending: Spending, connect: Any, count: int) -> tuple[float, float]:
    def come() -> dict[str, Any]:
        connect()
        return {}

    _, server, redis = spending.of(come)
    return server / count, sum(redis) / count


@contextmanager
def _warm(site: Site) -> Iterator[None]:
    """Some connections first: what the server loads or allocates once does not count."""
    script = group("early", 100, site, Native().subscriber(site))
    with Load(site.directory, script):
        yield


def _per_second(spending: Spending) -> float:
    """Microseconds of the server per second of rest."""
    time.sleep(1)
    began, server = time.monotonic(), spending.server()
    time.sleep(PINGS)
    return (spending.server() - server) * 1e6 / (time.monotonic() - began)


def _events(appendfsync: str) -> tuple[tuple[float, float], float, float]:
    """Of a write, server and Redis; of an event in one process; and of a delivery."""
    print_line("writes, events and deliveries")
    with running(1, DOCUMENTS, appendfsync) as (site, spending):
        unread = _written(site, spending, 0)
        read = [(float(count), _written(site, spending, count)) for count in READERS]
    one, delivery = line([(count, server) for count, (server, _) in read])
    return unread, max(0.0, one - unread[0]), delivery


def _written(site: Site, spending: Spending, readers: int) -> tuple[float, float]:
    """Microseconds of the server and of Redis for each write of a document with readers."""
    target = Native()
    with ExitStack() as stack:
        if readers:
            _Clients(stack, site, DOCUMENTS * readers, 1)
        script = group("writers", 10, site, target.writer(site), DOCUMENTS // 10)
        load = stack.enter_context(Load(site.directory, script))
        load.publish("rate", RATE, 1.0)
        _, idle, idle_redis = spending.of(partial(_rest, SECONDS))
        result, server, redis = spending.of(partial(load.publish, "rate", RATE, SECONDS))
    events = result["events"]
    return (server - idle) / events, (sum(redis) - sum(idle_redis)) / events


def _rest(seconds: float) -> dict[str, Any]:
    time.sleep(seconds)
    return {}


def _object_bytes(appendfsync: str) -> float:
    print_line("objects in Redis")
    with running(1, 1, appendfsync) as (site, _), Redis.from_url(site.redis) as redis:
        with Load(site.directory, group("writer", 1, site, Native().writer(site))) as load:
            load.publish("rate", 10, 0.5)
        before = int(redis.info("memory")["used_memory_dataset"])
        fill(site.redis, STORED)
        return (int(redis.info("memory")["used_memory_dataset"]) - before) / STORED
