"""Measures fan-out with one worker and with two."""

from __future__ import annotations

from functools import partial

from bench.harness.bench import Bench
from bench.harness.outcome import Goal, Outcome
from bench.harness.rounds import Sampler, column, print_line, take_turns
from bench.harness.syncline import Native

from .fan_out import FanOutShape, loaded

__all__ = ["workers"]

SHAPE = FanOutShape(1000)

MEASURE = f"workers, fan-out to {SHAPE.subscribers:,} subscribers"

PER_SECOND, PER_CPU = "deliveries per second", "deliveries per CPU-second"


class Workers(Native):
    """Syncline with `count` workers."""

    def __init__(self, count: int) -> None:
        self.name = f"{count} worker{'s' if count > 1 else ''}"
        self.options = (f"--workers={count}",)


def workers(bench: Bench) -> list[Outcome]:
    """The load client uses most of one core: on a machine with two cores, compare CPU-seconds."""
    print_line(MEASURE)
    one, two = Workers(1), Workers(2)
    samples = take_turns(
        [Sampler(each.name, partial(loaded, bench, each, SHAPE)) for each in (one, two)],
        bench.rounds,
    )
    goal = Goal(two.name, "≥ 1.7 where a second core is free", least=1.7)
    return [
        Outcome(MEASURE, PER_SECOND, column(samples, PER_SECOND), one.name, goals=[goal]),
        Outcome(MEASURE, PER_CPU, column(samples, PER_CPU), one.name),
    ]
