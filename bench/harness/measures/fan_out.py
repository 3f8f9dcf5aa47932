"""Measures fan-out: CPU time per delivery, for one event at a time and under load."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

from bench.harness.bench import Bench
from bench.harness.load import LoadError, group
from bench.harness.outcome import Goal, Outcome
from bench.harness.rounds import Figures, Sampler, Samples, column, print_line, take_turns
from bench.harness.syncline import Confirming
from bench.harness.target import Target
from bench.harness.test_bed import Run, running_test_bed

__all__ = ["FanOutShape", "fan_out", "fan_out_under_load", "loaded"]

SETTLING = 1.0
"""Seconds of warm-up before the first round."""

FIGURE = "deliveries per CPU-second"

CONFIRMING = ", confirming"
"""End of the names of contenders whose clients confirm each event."""


@dataclass(frozen=True)
class FanOutShape:
    """Numbers of subscribers, documents and writers.

    Attributes:
        each: documents that each subscriber subscribes to.
        window: maximum number of events that are not yet delivered to all.
    """

    subscribers: int
    documents: int = 1
    each: int = 1
    writers: int = 1
    window: int = 1


ONE_AT_A_TIME = ((FanOutShape(1000), 0.85, 0.55), (FanOutShape(5000), 0.97, 0.62))
"""Shapes with the ratios to the floor to reach, without and with confirmations."""

BUSY = FanOutShape(1000, documents=100, each=10, writers=10, window=1000)

CALM = replace(BUSY, window=1)
"""The same subscribers, but one event at a time, so that no event waits in a socket."""


def fan_out(bench: Bench) -> list[Outcome]:
    """One document; the next event is sent when every subscriber has the previous one."""
    return [
        _compare(
            bench,
            f"fan-out, {shape.subscribers:,} subscribers, one event at a time",
            shape,
            [
                *(_goal(own.name, least, bench.peer_names) for own in bench.own),
                _goal(Confirming.name, confirming_least, confirming(bench)),
            ],
        )
        for shape, least, confirming_least in ONE_AT_A_TIME
    ]


def fan_out_under_load(bench: Bench) -> list[Outcome]:
    """Many documents, several per subscriber, and events without a pause."""
    text = "≥ 3 × the floor, ahead of every peer, none lost"
    measure = (
        f"fan-out under load, {BUSY.subscribers:,} subscribers, each of {BUSY.each} "
        f"of {BUSY.documents} documents"
    )
    goals = [Goal(own.name, text, least=3, ahead_of=bench.peer_names) for own in bench.own]
    calm = Sampler(f"{bench.floor.name}, one at a time", partial(loaded, bench, bench.floor, CALM))
    return [_compare(bench, measure, BUSY, goals, calm)]


def confirming(bench: Bench) -> list[str]:
    """Names of the peers whose clients confirm each event."""
    return [name for name in bench.peer_names if name.endswith(CONFIRMING)]


def _goal(contender: str, least: float, rivals: Sequence[str]) -> Goal:
    text = f"≥ {least:g} × the floor, ahead of every peer"
    return Goal(contender, text, least=least, ahead_of=rivals)


def _compare(
    bench: Bench, measure: str, shape: FanOutShape, goals: Sequence[Goal], *others: Sampler
) -> Outcome:
    print_line(measure)
    samplers = [Sampler(each.name, partial(loaded, bench, each, shape)) for each in bench.targets]
    samples = take_turns([*others, *samplers], bench.rounds)
    return Outcome(
        measure,
        FIGURE,
        column(samples, FIGURE),
        base=bench.floor.name,
        goals=goals,
        remarks=_remarks(samples),
    )


@contextmanager
def loaded(bench: Bench, target: Target, shape: FanOutShape) -> Iterator[Callable[[], Figures]]:
    """Start a target and connect its subscribers; yield a function that measures one round."""
    with running_test_bed(target, shape.documents, bench.appendfsync) as test_bed:
        site = test_bed.site
        each = shape.documents // shape.writers
        script = [
            *group(
                "subscribers",
                shape.subscribers,
                site,
                target.subscriber(site),
                shape.each,
            ),
            *group("writers", shape.writers, site, target.writer(site), each),
        ]
        with test_bed.load(script) as load:
            publish = partial(load.publish, "window", shape.window)
            publish(SETTLING)
            yield lambda: _figures(test_bed.measure(partial(publish, bench.seconds)))


def _figures(run: Run) -> Figures:
    result = run.result
    if result["deliveries"] == 0:
        raise LoadError("nothing was delivered")
    return {
        FIGURE: result["deliveries"] / run.cpu,
        "deliveries per second": result["deliveries"] / result["seconds"],
        "events per second": result["events"] / result["seconds"],
        "lost": result["lost"],
        "reordered": result["reordered"],
    }


def _remarks(samples: Samples) -> dict[str, str]:
    """Numbers of lost and reordered events, by contender."""
    remarks = {}
    for name, rounds in samples.items():
        lost = sum(figures["lost"] for figures in rounds if figures)
        reordered = sum(figures["reordered"] for figures in rounds if figures)
        if lost or reordered:
            remarks[name] = f"{lost:.0f} lost, {reordered:.0f} reordered"
    return remarks
