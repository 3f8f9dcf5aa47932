"""A straight line through measured points."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean

__all__ = ["line"]


def line(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Value at zero and slope, by least squares; at least two different places are needed."""
    places = mean(place for place, _ in points)
    values = mean(value for _, value in points)
    spread = sum((place - places) ** 2 for place, _ in points)
    slope = sum((place - places) * (value - values) for place, value in points) / spread
    return values - slope * places, slope
