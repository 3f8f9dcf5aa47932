"""How long it took until each subscriber saw each acknowledged write."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate

from .evidence import Evidence, Seen
from .records import Missing, Opened, Removed

__all__ = ["Sightings"]


@dataclass(frozen=True, slots=True)
class Sightings:
    """Of one subscriber; times are in the seconds of the history.

    Attributes:
        pairs: of each acknowledged write to what it had open, when it was acknowledged and when
            it, or something newer, was seen; in the order of the former. Equal where it was seen
            before. What was never seen was not until the end.
    """

    client: str
    pairs: list[tuple[float, float]]

    @classmethod
    def of(cls, evidence: Evidence, client: str) -> Sightings:
        """Those of a client."""
        end = evidence.ended.at if evidence.ended else 0.0
        pairs: list[tuple[float, float]] = []
        for document in evidence.created:
            seen = evidence.seen.get((document, client))
            if seen:
                pairs += _pairs(_acknowledged(evidence, document), seen, end)
        return cls(client, sorted(pairs))

    def delays(self) -> list[float]:
        """Seconds from each acknowledgement to sight."""
        return [seen - acknowledged for acknowledged, seen in self.pairs]

    def recoveries(self, moments: list[float]) -> list[float]:
        """Seconds from each moment until all that was acknowledged by then had been seen."""
        times = [acknowledged for acknowledged, _ in self.pairs]
        latest = list(accumulate((seen for _, seen in self.pairs), max))
        counts = [bisect_right(times, moment) for moment in moments]
        return [
            max(0.0, latest[count - 1] - moment) if count else 0.0
            for moment, count in zip(moments, counts, strict=True)
        ]

    def staleness(self, end: float, columns: int) -> list[float]:
        """The longest that it lacked an acknowledged write, in each of so many parts of the run."""
        width = end / columns
        worst = [0.0] * columns
        for acknowledged, seen in self.pairs:
            first, last = (min(int(at / width), columns - 1) for at in (acknowledged, seen))
            for column in range(first, last + 1):
                worst[column] = max(worst[column], min(seen, (column + 1) * width) - acknowledged)
        return worst


def _acknowledged(evidence: Evidence, document: str) -> list[tuple[int, float]]:
    """Revision and time of each acknowledgement, in the order of revisions."""
    return sorted(
        (write.answered.revision, write.answered.at)
        for write in evidence.acknowledged(document)
        if write.answered is not None and write.answered.revision is not None
    )


def _pairs(
    acknowledged: list[tuple[int, float]], seen: list[Seen], end: float
) -> list[tuple[float, float]]:
    since = next((each.at for each in seen if isinstance(each, Opened)), end)
    pairs, place = [], 0
    for revision, at in acknowledged:
        while place < len(seen) and not _reaches(seen[place], revision):
            place += 1
        seen_at = seen[place].at if place < len(seen) else end
        if at >= since:
            pairs.append((at, max(at, seen_at)))
    return pairs


def _reaches(each: Seen, revision: int) -> bool:
    return isinstance(each, Removed | Missing) or each.revision >= revision
