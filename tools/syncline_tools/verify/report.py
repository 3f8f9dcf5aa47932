"""The verdict for people: what a terminal shows."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from .figures import Figures, Spread
from .findings import Check, Finding
from .verdict import Conclusion, Verdict

__all__ = ["render"]

FINDINGS_SHOWN = 3
"""Findings of one check that are shown; the others are in the files."""


def render(verdict: Verdict) -> RenderableType:
    """All of it."""
    figures = verdict.figures
    parts: list[RenderableType] = [_checks(verdict.checks), _counts(figures)]
    # A run is not about all types.
    if figures.delay:
        parts.append(_spreads("from acknowledgement to sight", figures.delay))
    if figures.item_delay:
        parts.append(_spreads("the same of items", figures.item_delay))
    if figures.recovery:
        parts.append(_spreads("from its end to all seen", figures.recovery))
    parts.append(_sentence(verdict))
    return Group(*(Padding(part, (1, 0, 0, 0)) for part in parts))


def _checks(checks: tuple[Check, ...]) -> Table:
    table = Table.grid(padding=(0, 2))
    for check in checks:
        mark, colour = _mark(check)
        examined = Text(f"{check.examined} {check.unit}", "dim")
        style = f"bold {colour}" if check.findings else ""
        table.add_row(Text(mark, f"bold {colour}"), Text(check.promise, style), examined)
        for finding in check.findings[:FINDINGS_SHOWN]:
            table.add_row("", Padding(_finding(finding), (0, 0, 0, 2)))
        if len(check.findings) > FINDINGS_SHOWN:
            more = f"and {len(check.findings) - FINDINGS_SHOWN} more"
            table.add_row("", Padding(Text(more, "dim"), (0, 0, 0, 2)))
    return table


def _mark(check: Check) -> tuple[str, str]:
    """A sign, and its colour."""
    if check.broken:
        return "✘", "red"
    return ("?", "yellow") if check.findings else ("✔", "green")


def _finding(finding: Finding) -> Text:
    where = [each for each in (finding.client, finding.document) if each is not None]
    if finding.at is not None:
        where.append(f"{finding.at:.2f} s")
    text = Text(finding.text)
    return text.append(f"  ({', '.join(where)})", "dim") if where else text


def _counts(figures: Figures) -> Table:
    writes = figures.writes
    faults = ", ".join(f"{count} {kind}" for kind, count in figures.faults.items()) or "none"
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_row(
        "writes",
        f"{writes['acknowledged']} acknowledged ({figures.settled} after a break), "
        f"{writes['refused']} refused, {writes['unknown']} unknown",
    )
    table.add_row("events", f"{figures.events} at {figures.clients} subscribers")
    table.add_row("documents", str(figures.documents))
    if any(figures.item_writes.values()):
        items = ", ".join(f"{count} {outcome}" for outcome, count in figures.item_writes.items())
        table.add_row("item writes", f"{items}; {figures.item_events} events and messages")
        table.add_row("replicas", f"{figures.replica_repairs} times changes were requested again")
    table.add_row("faults", faults)
    clocks = [f"{name} {ahead:+.1f} s" for name, ahead in figures.clocks.items()]
    if clocks:
        table.add_row("clocks", f"{', '.join(clocks)}, compared with this machine's")
    return table


def _spreads(title: str, spreads: Mapping[str, Spread]) -> Table:
    table = Table(title, "cases", "median", "99 %", "worst", box=None, header_style="dim")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, spread in spreads.items():
        times = (spread.median, spread.p99, spread.worst)
        table.add_row(name, str(spread.count), *(f"{time:.3f} s" for time in times))
    return table


def _sentence(verdict: Verdict) -> Text:
    if verdict.green:
        said = f"all had seen everything {verdict.figures.convergence:.2f} s after the last fault"
        return Text.assemble(("green", "bold white on green"), f"  every promise was kept; {said}")
    if verdict.conclusion is Conclusion.INCONCLUSIVE:
        return Text.assemble(
            ("inconclusive", "bold black on yellow"),
            "  no promise was seen broken, and the run did not show enough",
        )
    broken = sum(check.broken for check in verdict.checks)
    promises = sum(check.is_promise for check in verdict.checks)
    return Text.assemble(("red", "bold white on red"), f"  {broken} of {promises} promises broken")
