"""Writes the tables of the documentation from bench/results.

    python -m bench.report [--check]

A table stands between the comments `<!-- bench: KIND NAME -->` and `<!-- /bench -->`, and shows
bench/results/NAME.json. KIND is `outcomes` (a measure of `make bench`), `traces` (of
`bench.latency`), `parts` (of `bench.cores`), or `coefficients`, `plans`, `limits`, `loads` and
`herds` (of `bench.scale`). With `--check`, nothing is written, and the exit status is 1 if a page
is stale.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from bench.harness.table import number
from bench.scaling.model import Coefficients, Traffic
from bench.scaling.plan import REDIS_CONNECTIONS, Machines, Plan, Unreachable, describe, plan

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench" / "results"
PAGES = (ROOT / "docs" / "performance.md", ROOT / "docs" / "scaling.md")
BLOCK = re.compile(r"(<!-- bench: (\S+) (\S+) -->\n).*?(<!-- /bench -->)", re.S)

SIZES = (100_000, 1_000_000, 10_000_000)
MANY = 300
VERDICTS = {True: "reached", False: "**not reached**", None: "not measured"}

Results = Mapping[str, Any]
Rows = Sequence[Sequence[str]]


def main() -> int:
    """Write or check the pages; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args()
    stale = [page for page in PAGES if renewed(page.read_text()) != page.read_text()]
    for page in stale:
        print(f"{page.relative_to(ROOT)} {'is stale' if given.check else 'is renewed'}")
        if not given.check:
            page.write_text(renewed(page.read_text()))
    return 1 if given.check and stale else 0


def renewed(text: str) -> str:
    """A page with its tables as the results have them; a table without results says so."""
    return BLOCK.sub(lambda found: f"{found[1]}\n{_block(found[2], found[3])}\n\n{found[4]}", text)


def _block(kind: str, name: str) -> str:
    path = RESULTS / f"{name}.json"
    if not path.exists():
        return "Not measured yet."
    results = json.loads(path.read_text())
    parts = [*KINDS[kind](results), _about(results)]
    return "\n\n".join(parts)


def _about(results: Results) -> str:
    """When and where it was measured."""
    machine = results["machine"]
    facts = [
        f"measured {results['at'][:10]}",
        f"{machine['processors']} processors",
        f"load of the machine {machine['load'][0]:g} at the start",
    ]
    if results["seconds"]:
        facts.append(f"rounds: {results['rounds']}")
    return f"*{', '.join(facts)}*"


def table(head: Sequence[str], rows: Rows) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def outcomes(results: Results) -> Iterator[str]:
    """A line for each contender, a column for each figure: as a ratio if there is a base."""
    found: Sequence[Results] = results["outcomes"]
    names = list(dict.fromkeys(name for outcome in found for name in outcome["contenders"]))
    head = ["", *(_heading(outcome) for outcome in found)]
    yield table(head, [[_name(name), *(_cell(each, name) for each in found)] for name in names])
    goals = [
        f"- {_name(goal['contender'])}: {outcome['measure']}: wanted {goal['text']}: "
        f"{VERDICTS[goal['reached']]}"
        for outcome in found
        for goal in outcome["goals"]
    ]
    if goals:
        yield "\n".join(goals)


def _heading(outcome: Results) -> str:
    ratio = f"; others as a ratio to {outcome['base']}" if outcome["base"] else ""
    return f"{outcome['measure']}: {outcome['figure']}{ratio}"


def _cell(outcome: Results, name: str) -> str:
    each = outcome["contenders"].get(name)
    if each is None:
        return ""
    is_ratio = each["ratio"] is not None and name != outcome["base"]
    spread = _spread(each["ratio"] if is_ratio else each["spread"], is_ratio=is_ratio)
    return f"{spread}, {each['remark']}" if each["remark"] else spread


def traces(results: Results) -> Iterator[str]:
    """The stages of a delivery, for each server."""
    for name, found in results["traces"].items():
        rows = [
            [stage, *(f"{row[column]:,.0f}" for column in ("median", "p99", "slowest"))]
            for stage, row in found["stages"].items()
        ]
        yield f"**{name}**"
        yield table(["µs", "median", "99th percentile", "in the slowest 1 %"], rows)
        waits = found["waited for a processor"]
        disk = found["syncs of the disk, microseconds"]
        shares = ", ".join(f"{each} {share:.1%}" for each, share in waits.items())
        text = f"Waited for a processor: {shares} of the time."
        if disk["count"]:
            text += f" Waits for the disk: median {disk['median']:,.0f} µs, "
            text += f"99th percentile {disk['p99']:,.0f}, longest {disk['most']:,.0f}."
        yield text


def parts(results: Results) -> Iterator[str]:
    """Costs by the number of processes or shards."""
    for name, found in results["parts"].items():
        medians, lines = found["medians"], found["lines"]
        rows = [
            [
                figure,
                *(number(row[figure]) for row in medians.values()),
                number(lines[figure]["each"]),
            ]
            for figure in lines
        ]
        yield table([name, *medians, "each further"], rows)


def coefficients(results: Results) -> Iterator[str]:
    """The coefficients, with what they mean."""
    meanings = dict(re.findall(r"^ {8}(\w+): (.+)$", Coefficients.__doc__ or "", re.M))
    rows = [
        [f"`{each.name}`", meanings[each.name].rstrip("."), _unit(each.name, results)]
        for each in fields(Coefficients)
    ]
    yield table(["", "", ""], rows)


def plans(results: Results) -> Iterator[str]:
    """What three sizes of the default load need on the default machines."""
    found, reasons = {}, []
    for connections in SIZES:
        traffic = Traffic(connections=connections)
        try:
            found[connections] = describe(traffic, _plan(traffic, results))
        except Unreachable as error:
            reasons.append(f"{connections:,} connections cannot be carried: {error}.")
    if found:
        names = list(next(iter(found.values())))[1:]
        head = ["connections", *(f"{connections:,}" for connections in found)]
        yield table(head, [[name, *(each[name] for each in found.values())] for name in names])
    yield from reasons


def limits(results: Results) -> Iterator[str]:
    """What one core can do, and where the number of processes ends."""
    c = Coefficients(**results["coefficients"])
    load = Machines().load
    rows = {
        "deliveries a second of one core of a server": 1e6 / c.delivery,
        "connections that come back a second, of one core of a server": 1e6 / c.arrival,
        "writes a second of one core of a server": 1e6 / c.commit,
        "writes a second of one shard": 1e6 / c.redis_commit,
        "connections that come back a second, of one shard": 1e6 / c.redis_arrival,
        f"events a second that {MANY} processes receive, of half a shard": load
        * 1e6
        / (MANY * max(c.redis_event, 0.01)),
        "processes without clients that use half a shard": load * 1e6 / max(c.redis_process, 0.01),
        "processes whose connections `maxclients` allows": Machines().redis_clients
        / REDIS_CONNECTIONS,
    }
    yield table(["limit", ""], [[name, number(value)] for name, value in rows.items()])


def _plan(traffic: Traffic, results: Results) -> Plan:
    return plan(traffic, Coefficients(**results["coefficients"]), Machines())


def loads(results: Results) -> Iterator[str]:
    """What the model says beside what was measured."""
    rows = [
        [
            f"{row['connections']:,}, {row['workers']} worker{'s' * (row['workers'] > 1)}",
            name,
            number(row["model"][name]),
            number(row["measured"][name]),
            f"{ratio:.2f}",
        ]
        for row in results["loads"]
        for name, ratio in row["ratio"].items()
    ]
    yield table(["connections", "", "model", "measured", "ratio"], rows)


def herds(results: Results) -> Iterator[str]:
    """How clients come back, for each choice of settings."""
    rows = [
        [
            herd["settings"],
            *(f"{herd[part]:,.0f} s" for part in ("half", "most", "all")),
            *(number(float(herd[part])) for part in ("attempts", "refused", "wasted")),
            f"{herd['load']:.0%}",
            f"{herd['catch_up'] / 1e6:,.0f}",
            "yes" if herd["is_stable"] else "**no**",
        ]
        for herd in results["herds"]
    ]
    yield table(
        [
            "settings",
            *("half back", "99 %", "all"),
            *("most attempts a second", "refused", "given up"),
            *("most of the processor time", "catch-up, MB/s", "stable"),
        ],
        rows,
    )


def _name(contender: str) -> str:
    return f"**{contender}**" if contender.startswith("Syncline") else contender


def _spread(spread: Mapping[str, float] | None, *, is_ratio: bool) -> str:
    if spread is None:
        return "–"
    show = "{:.2f}".format if is_ratio else number
    median, least, most = (show(spread[part]) for part in ("median", "least", "most"))
    return median if least == most else f"{median} ({least} … {most})"


def _unit(name: str, results: Results) -> str:
    value: float = results["coefficients"][name]
    return f"{value:,.0f} B" if name.endswith("_bytes") else f"{number(value)} µs"


KINDS: Mapping[str, Callable[[Results], Iterator[str]]] = {
    "outcomes": outcomes,
    "traces": traces,
    "parts": parts,
    "coefficients": coefficients,
    "plans": plans,
    "limits": limits,
    "loads": loads,
    "herds": herds,
}


if __name__ == "__main__":
    sys.exit(main())
