"""Formats outcomes as one table."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from .outcome import Outcome, Spread

__all__ = ["number", "table"]

HEAD = ("", "median", "least … most", "ratio", "least … most", "to reach")
FORM = "  {:<28} {:>10} {:>22}  {:>7} {:>16}  {}"
VERDICTS = {True: "reached", False: "NOT reached", None: "not measured"}


def table(outcomes: Sequence[Outcome]) -> str:
    """One line for each contender, with the minimum and maximum of all rounds."""
    lines = [FORM.format(*HEAD)]
    for outcome in outcomes:
        lines += ["", f"{outcome.measure}: {outcome.figure}"]
        lines += [FORM.format(*_cells(outcome, name)).rstrip() for name in outcome.samples]
    return "\n".join(lines)


def _cells(outcome: Outcome, name: str) -> Iterator[str]:
    yield name
    yield from _spread(outcome.spread(name), number)
    yield from _spread(outcome.ratio(name), "{:.2f}".format)
    goals = [
        f"{goal.text}: {VERDICTS[outcome.reached(goal)]}"
        for goal in outcome.goals
        if goal.contender == name
    ]
    remark = outcome.remarks.get(name)
    yield "; ".join([*goals, *([remark] if remark else [])])


def _spread(spread: Spread | None, show: Callable[[float], str]) -> Iterator[str]:
    if spread is None:
        yield from ("–", "")
    else:
        yield show(spread.median)
        yield f"{show(spread.least)} … {show(spread.most)}"


def number(value: float) -> str:
    """Format a value with three or four significant digits."""
    if abs(value) >= 1000:
        return f"{round(value, -int(math.log10(abs(value))) + 3):,.0f}"
    return f"{value:.3g}"
