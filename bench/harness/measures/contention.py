"""Measures contention: all clients change one document, each based on the state it has."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

from bench.harness.bench import Bench
from bench.harness.contending import connected_contenders
from bench.harness.outcome import Goal, Outcome
from bench.harness.rounds import Figures, Sampler, column, print_line, take_turns
from bench.harness.syncline import Native, token
from bench.harness.target import Command, Missing, Site, Target
from bench.harness.test_bed import running_test_bed
from bench.peers.contenders import CONTENDERS

__all__ = ["contention"]

CLIENTS = 100
PROGRAMS = Path(__file__).parents[1] / "programs"

ATTEMPTS = "attempts per commit"
FAIRNESS = "longest wait / mean wait"
COMMITS = "commits per second"
ALONE = "commits per second / those of one client alone"

PYTHON, SDK = "Syncline, Python client", "Syncline, vendor's SDK"

CPU = "CPU-microseconds of the server a commit"
REDIS_CPU = "CPU-microseconds of Redis a commit"
CLIENTS_CPU = "CPU-microseconds of all clients a commit"

Contenders = Callable[[Site, int, float], Command]
"""Makes the command of `(site, clients, seconds)`: a program of `contending`."""


def contention(bench: Bench) -> list[Outcome]:
    """Clients change the document without a pause; compared with one client alone."""
    measure = f"mutate by {CLIENTS} clients of one document"
    print_line(measure)
    contenders: list[tuple[str, Target, Contenders]] = [
        (PYTHON, Native(), _python),
        (SDK, Native(), _sdk),
        *((each.target.name, each.target, each.command) for each in CONTENDERS),
    ]
    samples = take_turns(
        [
            Sampler(name, partial(_contending, bench, target, command))
            for name, target, command in contenders
        ],
        bench.rounds,
    )
    rivals = [each.target.name for each in CONTENDERS]
    return [
        Outcome(measure, figure, column(samples, figure), less_is_better=less, goals=goals)
        for figure, less, goals in (
            (ATTEMPTS, True, _goals("≤ 2.2", most=2.2)),
            (FAIRNESS, True, _goals("≤ 5", most=5)),
            (COMMITS, False, _goals("ahead of the peers", ahead_of=rivals)),
            (ALONE, False, _goals("≥ 0.5", least=0.5)),
            (CPU, True, ()),
            (REDIS_CPU, True, ()),
            (CLIENTS_CPU, True, ()),
        )
    ]


def _goals(
    text: str,
    *,
    least: float | None = None,
    most: float | None = None,
    ahead_of: Sequence[str] = (),
) -> list[Goal]:
    return [Goal(name, text, False, least, most, ahead_of) for name in (PYTHON, SDK)]


@contextmanager
def _contending(
    bench: Bench, target: Target, command: Contenders
) -> Iterator[Callable[[], Figures]]:
    with running_test_bed(target, 1, bench.appendfsync) as test_bed:

        def contending(clients: int) -> AbstractContextManager[Callable[[], Figures]]:
            return connected_contenders(
                lambda share: command(test_bed.site, share, bench.seconds), clients
            )

        def measure() -> Figures:
            with contending(1) as contend:
                alone = contend()
            with contending(CLIENTS) as contend:
                run = test_bed.measure(contend)
            many = run.result
            rate = many["commits"] / many["seconds"]
            return {
                ATTEMPTS: many["attempts"] / many["commits"],
                FAIRNESS: many["longest_wait"] / many["mean_wait"],
                COMMITS: rate,
                ALONE: rate / (alone["commits"] / alone["seconds"]),
                CPU: run.cpu / many["commits"] * 1e6,
                REDIS_CPU: run.redis_cpu / many["commits"] * 1e6,
                CLIENTS_CPU: many["cpu"] / many["commits"] * 1e6,
            }

        yield measure


def _python(site: Site, clients: int, seconds: float) -> Command:
    module = "bench.harness.programs.contend_python"
    return _command([sys.executable, "-m", module], site, clients, seconds)


def _sdk(site: Site, clients: int, seconds: float) -> Command:
    if shutil.which("node") is None:
        raise Missing("node is not on PATH")
    return _command(["node", str(PROGRAMS / "contend_sdk.js")], site, clients, seconds)


def _command(program: list[str], site: Site, clients: int, seconds: float) -> Command:
    url = f"http://127.0.0.1:{site.port}"
    return Command([*program, url, token(site), "bench-00000", str(clients), str(seconds)])
