"""Runs the benchmark of Syncline, the floor and the peers on this machine.

    make bench ARGS="--quick --only fan-out"

Prints one table, and writes the figures and a chart of each measure to bench/results.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from .bench import Bench
from .measures.connections import arrivals, idle
from .measures.contention import contention
from .measures.fan_out import direct_writes, fan_out, fan_out_under_load
from .measures.item_ends import item_expiry, item_removal
from .measures.item_live import item_fan_out, item_puts
from .measures.item_readers import item_resume, item_stalled
from .measures.item_sizes import item_memory, item_sizes
from .measures.item_writes import item_writes
from .measures.latency import latency
from .measures.rest import rest
from .measures.sizes import sizes
from .measures.starting import start
from .measures.workers import workers
from .measures.writes import increments, writes
from .outcome import Outcome
from .results import circumstances, save
from .rivals import find_peers
from .table import table

MEASURES: dict[str, Callable[[Bench], list[Outcome]]] = {
    "fan-out": fan_out,
    "fan-out-load": fan_out_under_load,
    "direct-writes": direct_writes,
    "latency": latency,
    "writes": writes,
    "rest": rest,
    "contention": contention,
    "increments": increments,
    "idle": idle,
    "arrivals": arrivals,
    "sizes": sizes,
    "item-writes": item_writes,
    "item-sizes": item_sizes,
    "item-memory": item_memory,
    "item-expiry": item_expiry,
    "item-removal": item_removal,
    "item-fan-out": item_fan_out,
    "item-puts": item_puts,
    "item-resume": item_resume,
    "item-stalled": item_stalled,
    "start": start,
    "workers": workers,
}

RESULTS = Path(__file__).parents[1] / "results"


def main() -> None:
    """Run the chosen measures."""
    given = _arguments()
    bench = _bench(given)
    about = circumstances(bench)
    outcomes = []
    for name in given.only or MEASURES:
        found = MEASURES[name](bench)
        save(given.output, name, found, about)
        outcomes += found
    text = table(outcomes)
    print(text)
    if not given.only:
        (given.output / "table.txt").write_text(f"{text}\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, shorter, less filled")
    parser.add_argument(
        "--only", action="append", choices=MEASURES, help="this measure; repeat it for more"
    )
    parser.add_argument(
        "--contender",
        action="append",
        metavar="WORD",
        help="who has it in the name, beside the floor; repeat it for more",
    )
    parser.add_argument("--rounds", type=int, help="of each contender, in turn")
    parser.add_argument("--seconds", type=float, help="of load in each round")
    parser.add_argument(
        "--appendfsync",
        choices=("always", "everysec", "no"),
        default="always",
        help="of each Redis",
    )
    parser.add_argument("--output", type=Path, default=RESULTS, help="directory for results")
    return parser.parse_args()


def _bench(given: argparse.Namespace) -> Bench:
    bench = Bench(
        given.rounds or (2 if given.quick else 5),
        given.seconds or (1.0 if given.quick else 3.0),
        given.appendfsync,
        find_peers(),
        given.contender or [""],
    )
    if given.quick:
        return replace(
            bench,
            many_documents=100_000,
            many_items=30_000,
            expiring_items=10_000,
            stalled_changes=10_000,
            idle_connections=2000,
        )
    return bench


if __name__ == "__main__":
    main()
