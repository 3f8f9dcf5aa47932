"""Results of a measure, and the goals that they are compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

__all__ = ["Goal", "Outcome", "Spread"]


@dataclass(frozen=True)
class Spread:
    """Median, minimum and maximum of a figure over several rounds."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The spread of at least one value."""
        return cls(median(values), min(values), max(values))


@dataclass(frozen=True)
class Goal:
    """A goal of a contender.

    Attributes:
        is_ratio: True if the bounds are for the ratio to the base, False for the figure itself.
        least: lower bound; None if there is none.
        most: upper bound; None if there is none.
        ahead_of: contenders whose figure must be worse.
    """

    contender: str
    text: str
    is_ratio: bool = True
    least: float | None = None
    most: float | None = None
    ahead_of: Sequence[str] = ()


@dataclass(frozen=True)
class Outcome:
    """One figure of several contenders, round by round.

    Attributes:
        measure: title of the measure, such as `fan-out, 1,000 subscribers`.
        figure: name of the figure, with its unit.
        samples: one value per round by contender; None for a round that failed.
        base: contender that the others are divided by, round by round; None if there are no ratios.
        less_is_better: True if a smaller figure is better.
        remarks: remark by contender, such as the number of lost events.
    """

    measure: str
    figure: str
    samples: Mapping[str, Sequence[float | None]]
    base: str | None = None
    less_is_better: bool = False
    goals: Sequence[Goal] = ()
    remarks: Mapping[str, str] = field(default_factory=dict)

    def spread(self, contender: str) -> Spread | None:
        """The spread of a contender; None if it did not take part or every round failed."""
        values = [value for value in self.samples.get(contender, ()) if value is not None]
        return Spread.of(values) if values else None

    def ratio(self, contender: str) -> Spread | None:
        """The spread of its ratio to the base in the same round; None if there is none."""
        own, base = self.samples.get(contender), self.samples.get(self.base or "")
        if own is None or base is None:
            return None
        pairs = zip(own, base, strict=True)
        ratios = [value / other for value, other in pairs if value is not None and other]
        return Spread.of(ratios) if ratios else None

    def reached(self, goal: Goal) -> bool | None:
        """Whether the median reaches the goal; None if it was not measured."""
        spread = self.ratio(goal.contender) if goal.is_ratio else self.spread(goal.contender)
        own = self.spread(goal.contender)
        if spread is None or own is None:
            return None
        if goal.least is not None and spread.median < goal.least:
            return False
        if goal.most is not None and spread.median > goal.most:
            return False
        rivals = [self.spread(name) for name in goal.ahead_of if name in self.samples]
        return all(self._is_better(own, rival) for rival in rivals if rival is not None)

    def _is_better(self, own: Spread, rival: Spread) -> bool:
        if self.less_is_better:
            return own.median < rival.median
        return own.median > rival.median
