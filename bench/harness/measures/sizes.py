"""Measures the cost of update, fetch and list with few documents and with many."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from bench.harness.bench import Bench
from bench.harness.filling import fill
from bench.harness.load import group
from bench.harness.outcome import Goal, Outcome
from bench.harness.rounds import Figures, Sampler, column, print_line, take_turns
from bench.harness.syncline import Native, authorization, native_login
from bench.harness.target import Site
from bench.harness.test_bed import TestBed, running_test_bed

__all__ = ["sizes"]

FEW = 1000
CLIENTS = 20
IN_FLIGHT = 8

OPERATIONS = ("update", "fetch", "page of the list")


class Filled(Native):
    """Syncline with `count` documents."""

    def __init__(self, count: int) -> None:
        self.name = f"{count:,} documents"
        self._count = count

    def prepare(self, site: Site) -> None:
        """Create the documents that the clients use, then fill up to `count`."""
        super().prepare(site)
        fill(site.redis, self._count - site.documents)


def sizes(bench: Bench) -> list[Outcome]:
    """CPU time of one operation, of server and Redis together."""
    few, many = Filled(FEW), Filled(bench.many_documents)
    measure = f"cost with {few.name} and with {many.name}"
    print_line(measure)
    samples = take_turns(
        [Sampler(each.name, partial(_filled, bench, each)) for each in (few, many)], bench.rounds
    )
    goal = Goal(many.name, "≤ 1.2", most=1.2)
    return [
        Outcome(
            measure,
            f"CPU-microseconds for one {operation}",
            column(samples, operation),
            few.name,
            less_is_better=True,
            goals=[goal],
        )
        for operation in OPERATIONS
    ]


@contextmanager
def _filled(bench: Bench, server: Filled) -> Iterator[Callable[[], Figures]]:
    # No fsync: it takes time, but no CPU time.
    with running_test_bed(server, CLIENTS, "no") as test_bed:
        site = test_bed.site
        fetch = [
            *native_login(site),
            'publish {"id":{id},"do":"get","document":"bench-{doc}"}',
            'ack-id {"id":',
            'fatal "error"',
        ]
        page = [
            *("speak http", "path /v1/Services/default/Documents?PageSize=50"),
            f"header Authorization: {authorization(site)}",
            "publish ",
        ]
        scripts = {
            "update": (group("writers", CLIENTS, site, server.writer(site)), IN_FLIGHT),
            "fetch": (group("readers", CLIENTS, site, fetch), IN_FLIGHT),
            "page of the list": (group("listers", CLIENTS, site, page), 1),
        }
        yield lambda: {
            name: _cost(test_bed, script, in_flight, bench.seconds)
            for name, (script, in_flight) in scripts.items()
        }


def _cost(test_bed: TestBed, script: list[str], in_flight: int, seconds: float) -> float:
    # Connect in each round: a server may close an HTTP connection that was idle for long.
    with test_bed.load(script) as load:
        run = test_bed.measure(partial(load.publish, "inflight", in_flight, seconds))
    if run.result["refused"]:
        raise RuntimeError(f"{run.result['refused']} requests were refused")
    acknowledged: int = run.result["acknowledged"]
    return (run.cpu + run.redis_cpu) / acknowledged * 1e6
