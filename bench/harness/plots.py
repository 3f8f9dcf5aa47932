"""Bar charts of outcomes, with the spread of their rounds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot
from matplotlib.axes import Axes

from .outcome import Outcome

__all__ = ["draw"]

WIDTH = 8.0
BAR_HEIGHT = 0.3
HEAD_HEIGHT = 0.9
"""Sizes of the chart in inches."""

DOTS_PER_INCH = 80

OWN, OTHER = "#1f6feb", "#9aa4b1"
"""Colours of the bars of Syncline and of the other contenders."""


def draw(path: Path, outcomes: Sequence[Outcome]) -> None:
    """Draw all outcomes into one image, one below the other."""
    heights = [HEAD_HEIGHT + BAR_HEIGHT * len(outcome.samples) for outcome in outcomes]
    figure, axes = pyplot.subplots(
        len(outcomes),
        figsize=(WIDTH, sum(heights)),
        height_ratios=heights,
        layout="constrained",
        squeeze=False,
    )
    for each, outcome in zip(axes[:, 0], outcomes, strict=True):
        _bars(each, outcome)
    figure.savefig(path, dpi=DOTS_PER_INCH)
    pyplot.close(figure)


def _bars(axes: Axes, outcome: Outcome) -> None:
    spreads = {
        name: spread for name in outcome.samples if (spread := outcome.spread(name)) is not None
    }
    names = list(spreads)
    medians = [spread.median for spread in spreads.values()]
    below = [spread.median - spread.least for spread in spreads.values()]
    above = [spread.most - spread.median for spread in spreads.values()]
    colours = [OWN if _is_own(name) else OTHER for name in names]
    axes.barh(names, medians, xerr=[below, above], color=colours, ecolor="#444", capsize=2)
    axes.invert_yaxis()
    axes.set_title(f"{outcome.measure}\n{outcome.figure}", loc="left", fontsize=9)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def _is_own(name: str) -> bool:
    return name.startswith("Syncline")
