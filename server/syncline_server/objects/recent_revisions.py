"""Revisions that objects had lately; a conditional write that names any other earns no turn."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable

__all__ = ["OBJECTS_LIMIT", "REVISIONS_LIMIT", "RecentRevisions"]

REVISIONS_LIMIT = 64
"""Revisions remembered for one object; the oldest is dropped first."""

OBJECTS_LIMIT = 10_000
"""Objects remembered; beyond that, the one whose last conditional write is oldest is dropped."""


class RecentRevisions:
    """The last revisions of objects that are written conditionally, by `contests.subject`.

    Objects without conditional writes have no contests, so their writes cost nothing here.
    """

    def __init__(self) -> None:
        self._revisions: OrderedDict[Hashable, deque[int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._revisions)

    def record(self, subject: Hashable, *revisions: int) -> None:
        """Remember revisions that a conditional write or its refusal showed."""
        known = self._revisions.get(subject)
        if known is None:
            known = self._revisions[subject] = deque(maxlen=REVISIONS_LIMIT)
            if len(self._revisions) > OBJECTS_LIMIT:
                self._revisions.popitem(last=False)
        else:
            self._revisions.move_to_end(subject)
        known.extend(each for each in revisions if each not in known)

    def extend(self, subject: Hashable, revision: int) -> None:
        """Remember a revision of an object that `record` has added; ignore other objects."""
        known = self._revisions.get(subject)
        if known is not None and revision not in known:
            known.append(revision)

    def has(self, subject: Hashable, revision: int) -> bool:
        """True if the object had that revision lately."""
        return revision in self._revisions.get(subject, ())
