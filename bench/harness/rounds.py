"""Interleaved rounds: each contender once per round, so that noise affects all equally."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from urllib.error import URLError

from .load import LoadError
from .target import Missing

__all__ = ["Figures", "Sampler", "Samples", "column", "take_turns", "print_line"]

Figures = dict[str, float]
"""Figures by name of one contender in one round."""

Samples = dict[str, list[Figures | None]]
"""Figures of each round by contender; None for a round that failed."""

FAILURES = (LoadError, Missing, RuntimeError, URLError)


@dataclass(frozen=True)
class Sampler:
    """A contender in `take_turns`.

    Attributes:
        ready: context manager that sets it up for all rounds; yields a function that measures one
            round.
    """

    name: str
    ready: Callable[[], AbstractContextManager[Callable[[], Figures]]]


def take_turns(samplers: Iterable[Sampler], rounds: int) -> Samples:
    """Measure all contenders in turn: all run at the same time, but only one is under load."""
    samples: Samples = {}
    takers: dict[str, Callable[[], Figures]] = {}
    with ExitStack() as stack:
        for sampler in samplers:
            try:
                takers[sampler.name] = stack.enter_context(sampler.ready())
            except FAILURES as error:
                print_line(f"  {sampler.name}: skipped: {error}")
            else:
                samples[sampler.name] = []
        for number in range(rounds):
            for name, measure in takers.items():
                samples[name].append(_take_sample(name, number, measure))
    return samples


def column(samples: Samples, figure: str) -> dict[str, list[float | None]]:
    """The values of one figure by contender."""
    return {
        name: [None if figures is None else figures[figure] for figures in rounds]
        for name, rounds in samples.items()
    }


def print_line(text: str) -> None:
    """Print progress to stderr."""
    print(text, file=sys.stderr, flush=True)


def _take_sample(name: str, number: int, measure: Callable[[], Figures]) -> Figures | None:
    try:
        figures = measure()
    except FAILURES as error:
        print_line(f"  round {number + 1}, {name}: failed: {error}")
        return None
    shown = ", ".join(f"{key} {value:,.4g}" for key, value in figures.items())
    print_line(f"  round {number + 1}, {name}: {shown}")
    return figures
