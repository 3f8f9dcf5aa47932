"""Measures latency from a writer's send to a subscriber's receipt, at a low rate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from bench.harness.bench import Bench
from bench.harness.load import group
from bench.harness.outcome import Goal, Outcome
from bench.harness.rounds import Figures, Sampler, column, print_line, take_turns
from bench.harness.target import Target
from bench.harness.test_bed import running_test_bed

__all__ = ["latency"]

SUBSCRIBERS = 100
RATE = 50
"""Events a second."""

STRETCH = 3
"""Factor on the seconds of a round: a 99th percentile needs more samples."""

MEASURE = f"latency, {SUBSCRIBERS} subscribers, {RATE} events a second"


def latency(bench: Bench) -> list[Outcome]:
    """Goals compare only with peers that store events; the floor and the others do not."""
    print_line(MEASURE)
    samplers = (Sampler(each.name, partial(_writing, bench, each)) for each in bench.targets)
    samples = take_turns(samplers, bench.rounds)
    rivals = [peer.name for peer in bench.peers if peer.persistent]
    ahead = [
        Goal(own.name, "ahead of persistent peers", is_ratio=False, ahead_of=rivals)
        for own in bench.own
    ]
    near = [Goal(own.name, "≤ 3", is_ratio=False, most=3) for own in bench.own]
    return [
        Outcome(MEASURE, figure, column(samples, figure), less_is_better=True, goals=goals)
        for figure, goals in (
            ("median, microseconds", ahead),
            ("99th percentile, microseconds", ahead),
            ("99th percentile / median", near),
        )
    ]


@contextmanager
def _writing(bench: Bench, target: Target) -> Iterator[Callable[[], Figures]]:
    with running_test_bed(target, 1, bench.appendfsync) as test_bed:
        script = [
            *group("subscribers", SUBSCRIBERS, test_bed.site, target.subscriber(test_bed.site)),
            *group("writer", 1, test_bed.site, target.writer(test_bed.site)),
        ]
        with test_bed.load(script) as load:
            load.publish("rate", RATE, 1)

            def measure() -> Figures:
                delay = load.publish("rate", RATE, STRETCH * bench.seconds)["delivery_us"]
                return {
                    "median, microseconds": delay["median"],
                    "99th percentile, microseconds": delay["p99"],
                    "99th percentile / median": delay["p99"] / delay["median"],
                }

            yield measure
