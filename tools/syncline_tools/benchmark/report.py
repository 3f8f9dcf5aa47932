"""Formats the results of a run for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from .figures import HEADROOM, Figures

__all__ = ["render"]


def render(figures: Figures) -> RenderableType:
    """A table of all figures, and the capacity that follows from them."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    for name, value in _rows(figures):
        table.add_row(name, value)
    return Group(table, Text(), *_sentences(figures))


def _rows(figures: Figures) -> Iterator[tuple[str, str]]:
    yield "connections", f"{figures.connections_per_second:,.0f} a second, each with its document"
    if figures.delay is not None:
        times = (figures.delay.median, figures.delay.p99, figures.delay.worst)
        median, p99, worst = (f"{time * 1000:.1f} ms" for time in times)
        yield (
            f"delay at {figures.rate:,.0f} events a second",
            f"median {median}, 99 % within {p99}, worst {worst}",
        )
    yield (
        "fan-out",
        f"{figures.deliveries_per_second:,.0f} deliveries a second "
        f"({figures.events_per_second:,.0f} events at {figures.subscribers:,} subscribers)",
    )
    yield "writes", f"{figures.writes_per_second:,.0f} a second, of {figures.writers} writers"
    if figures.merged:
        yield "merged", f"{figures.merged:,} events gave way to newer ones"
    if figures.refused:
        yield "refused", f"{figures.refused:,} writes were too many for the server's bounds"


def _sentences(figures: Figures) -> Iterator[Text]:
    spare = f"{1 - HEADROOM:.0%} of its processors to spare, if it has the memory"
    yield Text(f"this machine, with {spare}:", "bold")
    for each in figures.capacity:
        plural = "s" if each.events_per_second > 1 else ""
        yield Text(
            f"  {each.subscribers:,} subscribers at {each.events_per_second} event{plural} a second"
        )
    if figures.is_lower_bound:
        yield Text(
            "The clients here were busy all the time: the server can do more. "
            "Run this on another machine, or on several at once.",
            "yellow",
        )
