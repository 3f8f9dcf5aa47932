"""What a measure found out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

__all__ = ["Goal", "Outcome", "Spread"]


@dataclass(frozen=True)
class Spread:
    """Where figures of several rounds lie."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of at least one value."""
        return cls(median(values), min(values), max(values))


@dataclass(frozen=True)
class Goal:
    """What a contender is to reach.

    Attributes:
        least: of the figure, or of the ratio to the base; None if there is no such bound.
        most: the same.
        ahead_of: contenders that it must be better than.
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
        measure: what was done: `fan-out, 1,000 subscribers`.
        figure: what was counted, with its unit.
        samples: by contender: one value for each round, None where it failed.
        base: the contender that ratios refer to, round by round; None: there are no ratios.
        less_is_better: False where more is.
        remarks: by contender: what has to be said, such as events that were lost.
    """

    measure: str
    figure: str
    samples: Mapping[str, Sequence[float | None]]
    base: str | None = None
    less_is_better: bool = False
    goals: Sequence[Goal] = ()
    remarks: Mapping[str, str] = field(default_factory=dict)

    def spread(self, contender: str) -> Spread | None:
        """Of its figure; None where it did not take part, or every round failed."""
        values = [value for value in self.samples.get(contender, ()) if value is not None]
        return Spread.of(values) if values else None

    def ratio(self, contender: str) -> Spread | None:
        """Of its figure to the base's of the same round; None where there is none."""
        own, base = self.samples.get(contender), self.samples.get(self.base or "")
        if own is None or base is None:
            return None
        pairs = zip(own, base, strict=True)
        ratios = [value / other for value, other in pairs if value is not None and other]
        return Spread.of(ratios) if ratios else None

    def reached(self, goal: Goal) -> bool | None:
        """Whether the median does; None where it cannot be told."""
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
