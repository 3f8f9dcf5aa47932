"""Measures unconditional writes over the native protocol, and increments of one document."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from bench.harness.bench import Bench
from bench.harness.commit import captured_commits
from bench.harness.load import group
from bench.harness.outcome import Goal, Outcome
from bench.harness.rounds import Figures, Sampler, column, print_line, take_turns
from bench.harness.syncline import Native, native_login
from bench.harness.test_bed import TestBed, running_test_bed

__all__ = ["increments", "writes"]

WRITERS = 100
IN_FLIGHT = 16
SETTLING = 1.0

PER_CPU, PER_SECOND = "writes per CPU-second", "writes per second"

REDIS = "Redis, EVALSHA by a C client"


def writes(bench: Bench) -> list[Outcome]:
    """Each writer has its own document. CPU time is that of Redis for Redis, else the server's."""
    measure = f"unconditional writes of 200 bytes, {WRITERS} writers, {IN_FLIGHT} in flight each"
    print_line(measure)
    server, redis = Native(), Native()
    samples = take_turns(
        [
            Sampler(REDIS, partial(_redis_alone, bench, redis)),
            Sampler(server.name, partial(_through_server, bench, server)),
        ],
        bench.rounds,
    )
    goals = [
        Goal(server.name, "≥ 25,000", is_ratio=False, least=25_000),
        Goal(server.name, "or ≥ 0.35 × Redis", least=0.35),
    ]
    return [
        Outcome(measure, PER_CPU, column(samples, PER_CPU), base=REDIS, goals=goals),
        Outcome(measure, PER_SECOND, column(samples, PER_SECOND), base=REDIS),
    ]


def increments(bench: Bench) -> list[Outcome]:
    """Each client waits for the reply before its next increment."""
    measure = f"increments of one document by {WRITERS} clients"
    print_line(measure)
    server = Native()
    samples = take_turns(
        [Sampler(server.name, partial(_incrementing, bench, server))], bench.rounds
    )
    goal = Goal(server.name, "≥ 10,000", is_ratio=False, least=10_000)
    return [
        Outcome(measure, PER_SECOND, column(samples, PER_SECOND), goals=[goal]),
        Outcome(measure, PER_CPU, column(samples, PER_CPU)),
    ]


@contextmanager
def _through_server(bench: Bench, server: Native) -> Iterator[Callable[[], Figures]]:
    with running_test_bed(server, WRITERS, bench.appendfsync) as test_bed:
        script = group("writers", WRITERS, test_bed.site, server.writer(test_bed.site))
        with test_bed.load(script) as load:
            yield _sample(test_bed, partial(load.publish, "inflight", IN_FLIGHT), bench.seconds)


@contextmanager
def _redis_alone(bench: Bench, server: Native) -> Iterator[Callable[[], Figures]]:
    """The load client sends the server's commits directly to Redis; the server is idle."""
    with running_test_bed(server, WRITERS, bench.appendfsync) as test_bed:
        script = group("writers", WRITERS, test_bed.redis_site, captured_commits(test_bed))
        with test_bed.load(script) as load:
            yield _sample(
                test_bed, partial(load.publish, "inflight", IN_FLIGHT), bench.seconds, of_redis=True
            )


@contextmanager
def _incrementing(bench: Bench, server: Native) -> Iterator[Callable[[], Figures]]:
    with running_test_bed(server, 1, bench.appendfsync) as test_bed:
        lines = [
            *native_login(test_bed.site),
            'publish {"id":{id},"do":"patch","document":"bench-{doc}","increment":{"/n":1}}',
            'ack-id {"id":',
            'fatal "error"',
        ]
        with test_bed.load(group("writers", WRITERS, test_bed.site, lines)) as load:
            yield _sample(test_bed, partial(load.publish, "inflight", 1), bench.seconds)


def _sample(
    test_bed: TestBed,
    publish: Callable[[float], dict[str, Any]],
    seconds: float,
    *,
    of_redis: bool = False,
) -> Callable[[], Figures]:
    publish(SETTLING)

    def measure() -> Figures:
        run = test_bed.measure(partial(publish, seconds))
        done = run.result["acknowledged"]
        return {
            PER_CPU: done / (run.redis_cpu if of_redis else run.cpu),
            PER_SECOND: done / run.result["seconds"],
            "refused": run.result["refused"],
        }

    return measure
