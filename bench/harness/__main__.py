"""The bench: floors, peers and Syncline side by side on this machine.

make bench ARGS="--quick --only fan-out"
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

from .bench import Bench
from .measures.connections import arrivals, idle
from .measures.contention import contention
from .measures.fan_out import fan_out, fan_out_under_load
from .measures.latency import latency
from .measures.rest import rest
from .measures.sizes import sizes
from .measures.starting import start
from .measures.workers import workers
from .measures.writes import increments, writes
from .outcome import Outcome
from .rivals import find_peers
from .table import table

MEASURES: dict[str, Callable[[Bench], list[Outcome]]] = {
    "fan-out": fan_out,
    "fan-out-load": fan_out_under_load,
    "latency": latency,
    "writes": writes,
    "rest": rest,
    "increments": increments,
    "contention": contention,
    "sizes": sizes,
    "idle": idle,
    "arrivals": arrivals,
    "start": start,
    "workers": workers,
}


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--only", action="append", choices=MEASURES, help="repeat it for more")
    parser.add_argument(
        "--contender", action="append", metavar="WORD", help="in whose names it is; repeat for more"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--appendfsync", default="always")
    given = parser.parse_args()
    bench = Bench(
        given.rounds, given.seconds, given.appendfsync, find_peers(), given.contender or [""]
    )
    print(table([each for name in given.only or MEASURES for each in MEASURES[name](bench)]))


if __name__ == "__main__":
    main()
