"""Computes what a load needs, checks the model against this machine, and simulates herds.

    python -m bench.scale                                 # 10,000,000 connections
    python -m bench.scale --connections 200000 --readers 50 --events-per-object 0.1
    python -m bench.scale --calibrate        # measures the coefficients: three minutes
    python -m bench.scale --validate         # and 1,000 to 50,000 connections: seven minutes
    python -m bench.scale --simulate zone    # or rolling: the same load, through a failure

The coefficients are those of bench/results/coefficients.json. `--validate` measures them again, so
that both are of the same minutes, then puts three loads on this machine and compares processor time
and memory with what the model says; the exit status is 1 if one differs by more than `--tolerance`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

from bench.harness.bench import Bench
from bench.harness.ending import end_on_sigterm
from bench.harness.results import circumstances
from bench.harness.rounds import print_line
from bench.scaling.fleet import Fleet, Herd, Settings
from bench.scaling.herd import rolling_restart, zone_failure
from bench.scaling.measure import Measured, calibrate, observe
from bench.scaling.model import Coefficients, Traffic, cost_of
from bench.scaling.plan import Machines, Plan, Unreachable, describe, plan

Kind = TypeVar("Kind", Traffic, Machines)

RESULTS = Path(__file__).parent / "results"
LOADS = (
    (Traffic(connections=1000, readers=10, events_per_object=5), 1),
    (Traffic(connections=10_000, readers=10, events_per_object=0.5), 1),
    (Traffic(connections=50_000, readers=50, events_per_object=0.5), 3),
)
"""Loads that are measured, with the number of workers: one may open 20,000 files."""

SERVER, REDIS, MEMORY = "server, cores", "Redis, cores", "server, MB"


def main() -> int:
    """Do what is asked; return the exit status."""
    end_on_sigterm()
    given = _arguments()
    if given.validate or given.calibrate:
        return _measure(given)
    coefficients = read_coefficients(given.coefficients)
    traffic, machines = _read(Traffic, given), _read(Machines, given)
    try:
        found = plan(traffic, coefficients, machines)
    except Unreachable as error:
        print(f"This load cannot be carried: {error}.", file=sys.stderr)
        return 1
    if given.simulate is None:
        print(json.dumps(asdict(found), indent=1) if given.json else _lines(traffic, found))
        return 0
    herds = simulate(given.simulate, Fleet.of(traffic, coefficients, machines, found), given.seed)
    print(json.dumps([asdict(herd) for herd in herds], indent=1) if given.json else _rows(herds))
    _save(given.output, f"herd-{given.simulate}", {"herds": [asdict(herd) for herd in herds]})
    return 0


def read_coefficients(path: Path) -> Coefficients:
    """The coefficients in a file of results."""
    return Coefficients(**json.loads(path.read_text())["coefficients"])


def simulate(kind: str, fleet: Fleet, seed: int) -> list[Herd]:
    """The herd of a failure with the settings of docs/scaling.md, good ones and bad ones."""
    run = zone_failure if kind == "zone" else rolling_restart
    return [run(fleet, settings, seed) for settings in Settings.compared(fleet)]


def compare(
    loads: Sequence[tuple[Traffic, int]], measured: Sequence[Measured], coefficients: Coefficients
) -> list[dict[str, Any]]:
    """What was measured beside what the model says, and the quotients."""
    rows = []
    for (traffic, workers), found in zip(loads, measured, strict=True):
        at_rest = Traffic(**{**asdict(traffic), "reconnects": 0})
        cost = cost_of(at_rest, coefficients, processes=workers)
        # The kernel's memory is not the process's; Redis' own share counts as one shard has all.
        sockets = traffic.connections * coefficients.kernel_bytes
        said = {
            SERVER: cost.server,
            REDIS: cost.redis + cost.redis_each + cost.redis_home,
            MEMORY: (cost.server_bytes - sockets) / 1e6,
        }
        seen = {SERVER: found.server, REDIS: found.redis, MEMORY: found.server_bytes / 1e6}
        rows.append(
            {
                "connections": traffic.connections,
                "workers": workers,
                "events per second": traffic.events,
                "deliveries per second": traffic.deliveries,
                "model": said,
                "measured": seen,
                "ratio": {name: said[name] / seen[name] for name in said},
            }
        )
    return rows


def _measure(given: argparse.Namespace) -> int:
    rounds = [calibrate(given.appendfsync) for _ in range(given.rounds)]
    coefficients = Coefficients(
        **{each.name: median(getattr(c, each.name) for c in rounds) for each in fields(rounds[0])}
    )
    body: dict[str, Any] = {"coefficients": asdict(coefficients)}
    print(json.dumps(body, indent=1), flush=True)
    _save(given.output, "coefficients", body)
    if not given.validate:
        return 0
    loads = [load for load in LOADS if load[0].connections <= given.most]
    measured = []
    for traffic, workers in loads:
        print_line(f"{traffic.connections:,} connections")
        measured.append(observe(traffic, workers, given.appendfsync, given.seconds))
    rows = compare(loads, measured, coefficients)
    print(_comparison(rows))
    worst = max(abs(ratio - 1) for row in rows for ratio in row["ratio"].values())
    print(f"\nWorst difference: {worst:.0%}; allowed: {given.tolerance:.0%}.")
    _save(given.output, "scale", {**body, "loads": rows, "worst": worst})
    return 0 if worst <= given.tolerance else 1


def _lines(traffic: Traffic, found: Plan) -> str:
    return "\n".join(f"{name:34}{value}" for name, value in describe(traffic, found).items())


def _comparison(rows: Sequence[Mapping[str, Any]]) -> str:
    lines = ["| connections | | model | measured | ratio |", "|---|---|---|---|---|"]
    lines += [
        f"| {row['connections']:,} | {name} | {row['model'][name]:.3g} "
        f"| {row['measured'][name]:.3g} | {ratio:.2f} |"
        for row in rows
        for name, ratio in row["ratio"].items()
    ]
    return "\n".join(lines)


def _rows(herds: Sequence[Herd]) -> str:
    head = (
        "| settings | half back | 99 % | all | most attempts a second | refused | given up "
        "| most of a core | catch-up, MB/s | stable |"
    )
    lines = [head, "|---" * 10 + "|"]
    for herd in herds:
        cells = (
            herd.settings,
            *(f"{seconds:,.0f} s" for seconds in (herd.half, herd.most, herd.all)),
            *(f"{count:,.0f}" for count in (herd.attempts, herd.refused, herd.wasted)),
            f"{herd.load:.0%}",
            f"{herd.catch_up / 1e6:,.0f}",
            "yes" if herd.is_stable else "NO",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _save(directory: Path, name: str, body: Mapping[str, Any]) -> None:
    directory.mkdir(exist_ok=True)
    text = json.dumps({**circumstances(Bench(1, 0)), **body}, indent=1, ensure_ascii=False)
    (directory / f"{name}.json").write_text(f"{text}\n")


def _read(kind: type[Kind], given: argparse.Namespace) -> Kind:
    return kind(**{each.name: getattr(given, each.name) for each in fields(kind)})


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--calibrate", action="store_true")
    action.add_argument("--validate", action="store_true")
    action.add_argument("--simulate", choices=("rolling", "zone"))
    parser.add_argument("--coefficients", type=Path, default=RESULTS / "coefficients.json")
    parser.add_argument("--output", type=Path, default=RESULTS, help="directory for results")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=1, help="of the calibration")
    parser.add_argument("--seconds", type=float, default=22, help="of each load")
    parser.add_argument("--most", type=int, default=50_000, help="connections that are measured")
    parser.add_argument("--tolerance", type=float, default=0.2)
    parser.add_argument("--appendfsync", choices=("always", "everysec", "no"), default="everysec")
    for kind, group in ((Traffic, "load"), (Machines, "machines")):
        own = parser.add_argument_group(group)
        for each in fields(kind):
            number = int if each.type in ("int", "int | None") else float
            first = 10_000_000 if each.name == "connections" else each.default
            option = f"--{each.name.replace('_', '-')}"
            own.add_argument(option, type=number, default=first, help=f"(default {first})")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
