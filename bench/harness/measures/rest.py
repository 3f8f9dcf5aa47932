"""Measures updates over REST, next to a minimal Starlette application with the same route."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from bench.harness.bench import Bench
from bench.harness.load import group
from bench.harness.outcome import Goal, Outcome
from bench.harness.rivals import bare_rest, rest_peers
from bench.harness.rounds import Figures, Sampler, column, print_line, take_turns
from bench.harness.syncline import Syncline, authorization
from bench.harness.target import Site, Target
from bench.harness.test_bed import running_test_bed

__all__ = ["rest"]

CLIENTS = 32
SETTLING = 1.0

COST, PER_SECOND = "CPU-microseconds a request", "requests per second"


class Rest(Syncline):
    """Syncline, with clients that update documents over REST."""

    name = "Syncline, REST"

    def writer(self, site: Site) -> list[str]:
        return [
            *("speak http", "verb POST", "path /v1/Services/default/Documents/bench-{doc}"),
            f"header Authorization: {authorization(site)}",
            "header Content-Type: application/x-www-form-urlencoded",
            'publish Data={"text":"{text}"}',
        ]


def rest(bench: Bench) -> list[Outcome]:
    """Each client keeps its connection, and waits for a reply before the next request."""
    measure = f"updates by REST, {CLIENTS} clients"
    print_line(measure)
    bare, own = bare_rest(), Rest()
    targets = [target for target in (bare, own, *rest_peers()) if target is not None]
    samples = take_turns(
        [Sampler(each.name, partial(_requesting, bench, each)) for each in targets], bench.rounds
    )
    base = bare.name if bare else None
    goal = Goal(own.name, "≤ 1.2 × bare Starlette", most=1.2)
    return [
        Outcome(measure, COST, column(samples, COST), base, less_is_better=True, goals=[goal]),
        Outcome(measure, PER_SECOND, column(samples, PER_SECOND), base),
    ]


@contextmanager
def _requesting(bench: Bench, target: Target) -> Iterator[Callable[[], Figures]]:
    with running_test_bed(target, CLIENTS, bench.appendfsync) as test_bed:
        script = group("clients", CLIENTS, test_bed.site, target.writer(test_bed.site))

        def measure() -> Figures:
            # Connect in each round: a server may close a connection that was idle for long.
            with test_bed.load(script) as load:
                publish = partial(load.publish, "inflight", 1)
                publish(SETTLING)
                run = test_bed.measure(partial(publish, bench.seconds))
            done = run.result["acknowledged"]
            if run.result["refused"]:
                raise RuntimeError(f"{run.result['refused']} requests were refused")
            return {COST: run.cpu / done * 1e6, PER_SECOND: done / run.result["seconds"]}

        yield measure
