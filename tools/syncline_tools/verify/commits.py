"""Revisions of one document that had an event of their own, as far as a history shows."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass

from .evidence import Evidence
from .records import Opened, Updated

__all__ = ["BATCH_LIMIT", "Commits"]

BATCH_LIMIT = 256
"""Revisions that one commit gives, at most: patches that wait are stored together, with consecutive
revisions and one event, which has the last of them."""


@dataclass(frozen=True, slots=True)
class Commits:
    """Those of one document.

    Attributes:
        revisions: in order; without that of the creation and of the removal.
    """

    revisions: list[int]

    @classmethod
    def of(cls, evidence: Evidence, document: str) -> Commits:
        """All that somebody saw, or that is named as the one before, or that was acknowledged.

        An acknowledged revision that nobody saw counts only where it cannot be inside a batch: the
        revisions of a batch lie closely below the one that its event has.
        """
        seen = _seen(evidence, document)
        ends = sorted(seen)
        acknowledged = {
            write.revision
            for write in evidence.acknowledged(document)
            if write.revision is not None and write.invoked.do != "remove"
        }
        own = {each for each in acknowledged - seen if not _may_be_inside_a_batch(each, ends)}
        return cls(sorted(seen | own))

    def between(self, low: int, high: int) -> list[int]:
        """Those above `low` and below `high`."""
        return self.revisions[bisect_right(self.revisions, low) : bisect_left(self.revisions, high)]


def _seen(evidence: Evidence, document: str) -> set[int]:
    seen = set()
    for client in evidence.wires:
        for each in evidence.seen.get((document, client), ()):
            if isinstance(each, Opened | Updated):
                seen.add(each.revision)
            if isinstance(each, Updated) and each.previous:
                seen.add(each.previous)
    return {each for each in seen if each > evidence.created[document].revision}


def _may_be_inside_a_batch(revision: int, ends: list[int]) -> bool:
    place = bisect_right(ends, revision)
    return place < len(ends) and ends[place] - revision < BATCH_LIMIT
