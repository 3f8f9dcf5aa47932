"""Measures the time from `syncline serve` to its ready line, with an embedded Redis."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.harness.bench import Bench
from bench.harness.outcome import Goal, Outcome
from bench.harness.rounds import Figures, Sampler, column, print_line, take_turns
from bench.harness.syncline import SYNCLINE

__all__ = ["start"]

MEASURE, FIGURE = "start of serve, embedded Redis", "seconds until ready"

FIRST, AGAIN = "first start", "start on kept documents"


def start(bench: Bench) -> list[Outcome]:
    """A first start, which creates credentials and files, and a start with existing files."""
    print_line(MEASURE)
    samples = take_turns([Sampler(FIRST, _first), Sampler(AGAIN, _again)], bench.rounds)
    goals = [Goal(name, "≤ 1.0", is_ratio=False, most=1.0) for name in (FIRST, AGAIN)]
    return [Outcome(MEASURE, FIGURE, column(samples, FIGURE), less_is_better=True, goals=goals)]


@contextmanager
def _first() -> Iterator[Callable[[], Figures]]:
    def measure() -> Figures:
        with TemporaryDirectory(prefix="bench-") as made:
            return _started(Path(made))

    yield measure


@contextmanager
def _again() -> Iterator[Callable[[], Figures]]:
    with TemporaryDirectory(prefix="bench-") as made:
        _started(Path(made))
        yield lambda: _started(Path(made))


def _started(directory: Path) -> Figures:
    command = [str(SYNCLINE), "serve", "--port=0", f"--data-dir={directory / 'data'}"]
    began = time.monotonic()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        took = time.monotonic() - began
        process.terminate()
    if "ready" not in said:
        raise RuntimeError("it did not start")
    return {FIGURE: took}
