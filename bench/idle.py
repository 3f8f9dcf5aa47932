"""Measures what processes without clients ask Redis for.

    python -m bench.idle [--processes 4] [--seconds 15]

One server without clients, with one worker and with several. Commands are counted with MONITOR; a
script is one command. Processor time is measured without MONITOR. The difference, divided by the
further processes, is what each of them costs. Takes a minute.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from functools import partial

from bench.cores import Spending, running
from bench.harness.ending import end_on_sigterm
from bench.harness.target import Site
from redis import Redis
from redis.exceptions import TimeoutError as Silent

SETTLING = 5.0
"""Seconds after the start that do not count."""

Found = tuple[Counter[str], float]
"""Commands a second by name, and microseconds of Redis a second."""


def commands(site: Site, seconds: float) -> Counter[str]:
    """How often each command was sent, a second."""
    found: Counter[str] = Counter()
    with Redis.from_url(site.redis, socket_timeout=1.0) as redis, redis.monitor() as monitor:
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            try:
                command = monitor.next_command()
            except Silent:
                continue
            if command["client_type"] != "lua":
                found[command["command"].partition(" ")[0]] += 1
    return Counter({name: count / seconds for name, count in found.items()})


def measure(workers: int, seconds: float) -> Found:
    """What a server with so many workers asks Redis for."""
    with running(workers, 1, "no") as (site, spending):
        time.sleep(SETTLING)
        return commands(site, seconds), _cpu(spending, seconds)


def _cpu(spending: Spending, seconds: float) -> float:
    _, _, redis = spending.of(partial(_rest, seconds))
    return sum(redis) / seconds


def _rest(seconds: float) -> dict[str, float]:
    time.sleep(seconds)
    return {}


def main() -> int:
    """Measure, and print a table; return the exit status."""
    end_on_sigterm()
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=15.0)
    given = parser.parse_args()
    (one, one_cpu), (all_, all_cpu) = (measure(n, given.seconds) for n in (1, given.processes))
    others = max(1, given.processes - 1)
    print("| a second | one process | each further process |\n|---|---|---|")
    for name in sorted({*one, *all_}):
        print(f"| {name} | {one[name]:.1f} | {(all_[name] - one[name]) / others:.1f} |")
    total = (all_.total() - one.total()) / others
    print(f"| all commands | {one.total():.1f} | {total:.1f} |")
    print(f"| Redis, µs | {one_cpu:,.0f} | {(all_cpu - one_cpu) / others:,.0f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
