"""Replays in portions: how far the client has come in each, and what it had before."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from syncline_protocol.items import Change, ChangeKind

__all__ = ["ReplayProgress", "ReplaysUnderWay"]

COLLECTIONS_LIMIT = 1_000
"""Replays under way, at most; a further one replaces the one that began first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayProgress:
    """One replay.

    Attributes:
        origin: the revision that the client had before the first portion.
        begun_at: the collection's revision when the first portion was read.
        reached: the revision that the client has after the last portion.
    """

    origin: int
    begun_at: int
    reached: int

    def of_use(self, changes: Iterable[Change]) -> list[Change]:
        """The changes without the removals of items that the client never had.

        Such an item was created after `origin`, and was gone before the first portion was read. One
        that was removed later may have come in an earlier portion.
        """
        return [
            each
            for each in changes
            if each.kind is not ChangeKind.REMOVED
            or each.item.born <= self.origin
            or each.item.revision > self.begun_at
        ]


class ReplaysUnderWay:
    """The replays of one client that have further portions, by the SID of the collection."""

    __slots__ = ("_progress",)

    def __init__(self) -> None:
        self._progress: dict[str, ReplayProgress] = {}

    def next(self, sid: str, since: int, newest: int) -> ReplayProgress:
        """The replay that goes on with the portion since a revision, or begins with it.

        `newest`: the collection's revision when that portion was read.
        """
        known = self._progress.pop(sid, None)
        if known is not None and known.reached == since:
            return known
        return ReplayProgress(origin=since, begun_at=newest, reached=since)

    def interrupt(self, sid: str, progress: ReplayProgress, reached: int) -> None:
        """Remember a replay until the client asks for its next portion."""
        self._progress[sid] = replace(progress, reached=reached)
        if len(self._progress) > COLLECTIONS_LIMIT:
            del self._progress[next(iter(self._progress))]
