"""Measures the cost of connecting, and of connections that stay idle."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from bench.harness.bench import Bench
from bench.harness.load import group
from bench.harness.outcome import Goal, Outcome
from bench.harness.rounds import Figures, Sampler, column, print_line, take_turns
from bench.harness.target import Target
from bench.harness.test_bed import running_test_bed

__all__ = ["arrivals", "idle"]

ARRIVALS = 2000

IDLE_SECONDS = 30.0
"""Seconds; longer than the interval between pings."""

CONNECTING = 200

MEMORY, IDLE_CPU = "bytes a connection", "CPU-microseconds per connection and second"
ARRIVED = "connections accepted, authenticated and subscribed per CPU-second"

LIMITS = {"Syncline, native": 8 * 1024, "Syncline, Twilsock": 9 * 1024}


def arrivals(bench: Bench) -> list[Outcome]:
    """Connections are opened as fast as possible; each subscribes to one document.

    Each presents a token of its own to servers that check tokens.
    """
    measure = f"{ARRIVALS:,} connections come"
    print_line(measure)
    samplers = (Sampler(each.name, partial(_coming, bench, each)) for each in bench.targets)
    samples = take_turns(samplers, bench.rounds)
    goals = [Goal(own.name, "≥ 3,500", is_ratio=False, least=3500) for own in bench.own]
    return [Outcome(measure, ARRIVED, column(samples, ARRIVED), bench.floor.name, goals=goals)]


def idle(bench: Bench) -> list[Outcome]:
    """Connections with one subscription and no traffic; one round only, because it takes long."""
    measure = f"{bench.idle_connections:,} idle connections"
    print_line(measure)
    samples = {
        name: figures
        for each in bench.targets
        for name, figures in take_turns(
            [Sampler(each.name, partial(_staying, bench, each))], 1
        ).items()
    }
    text = "≤ {:,} KB"
    small = [
        Goal(name, text.format(limit // 1024), is_ratio=False, most=limit)
        for name, limit in LIMITS.items()
    ]
    quiet = [Goal(own.name, "≤ 2", is_ratio=False, most=2) for own in bench.own]
    return [
        Outcome(measure, MEMORY, column(samples, MEMORY), less_is_better=True, goals=small),
        Outcome(measure, IDLE_CPU, column(samples, IDLE_CPU), less_is_better=True, goals=quiet),
    ]


@contextmanager
def _coming(bench: Bench, target: Target) -> Iterator[Callable[[], Figures]]:
    with running_test_bed(target, 1, bench.appendfsync) as test_bed:

        def measure() -> Figures:
            # New tokens for each round: no server may know them from the round before.
            lines = target.arrivals(test_bed.site, ARRIVALS)
            script = group("subscribers", ARRIVALS, test_bed.site, lines)
            cpu = test_bed.process.cpu()
            with test_bed.load(script, connecting=CONNECTING) as load:
                spent = test_bed.process.cpu() - cpu
                return {
                    ARRIVED: ARRIVALS / spent,
                    "per second": ARRIVALS / load.ready["seconds"],
                }

        yield measure


@contextmanager
def _staying(bench: Bench, target: Target) -> Iterator[Callable[[], Figures]]:
    with running_test_bed(target, 1, bench.appendfsync) as test_bed:
        count = bench.idle_connections

        def measure() -> Figures:
            lines = target.subscriber(test_bed.site)
            # Measure after some connections: memory that the first ones make the server load or
            # allocate once does not count.
            with test_bed.load(group("early", 100, test_bed.site, lines)):
                memory = test_bed.process.memory()
                script = group("subscribers", count, test_bed.site, lines)
                with test_bed.load(script, connecting=CONNECTING):
                    return _stay(memory)

        def _stay(memory: int) -> Figures:
            time.sleep(1)
            cpu, began = test_bed.process.cpu(), time.monotonic()
            time.sleep(IDLE_SECONDS)
            spent = (test_bed.process.cpu() - cpu) / (time.monotonic() - began)
            return {
                MEMORY: (test_bed.process.memory() - memory) / count,
                IDLE_CPU: spent / count * 1e6,
            }

        yield measure
