"""Bases of deltas: the newest data of each document that a client which reads deltas has open."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from syncline_protocol.deltas import SMALLEST_DATA
from syncline_protocol.documents import Base, Updated
from syncline_protocol.objects import Event
from syncline_server.observability.metrics import Limit

__all__ = ["Bases"]

LONGEST_PAUSE = 64
"""Events of a document between two attempts to make a delta, at most, while attempts fail."""


@dataclass(slots=True)
class _Newest:
    """The newest data of one document, and whether deltas of it are worth the work.

    Attributes:
        pause: events between two attempts to make a delta; 0 while attempts succeed.
        rest: events still to come before the next attempt.
    """

    revision: int = 0
    data: bytes = b""
    pause: int = 0
    rest: int = 0

    def is_due(self) -> bool:
        """Count an event; False if it goes without a delta, because the last attempts failed."""
        self.rest = max(0, self.rest - 1)
        return not self.rest

    def note(self, is_gain: bool) -> None:
        """Record the outcome of an attempt: `is_gain` if the delta was worth sending."""
        self.pause = self.rest = 0 if is_gain else min(2 * self.pause or 2, LONGEST_PAUSE)


class Bases:
    """The newest data by document; above the limit, the data that was kept first is dropped."""

    def __init__(
        self,
        limit: int,
        limit_hits: Counter[Limit],
        may_compare: Callable[[int], bool] | None = None,
    ) -> None:
        """
        Args:
            limit: bytes of data in all; 0 keeps none.
            limit_hits: counts under `delta_memory` the documents that were dropped at the limit.
            may_compare: returns False if there is no time now to compare so many bytes: then the
                event is sent without a delta.
        """
        self._may_compare = may_compare
        self._limit = limit
        self._limit_hits = limit_hits
        self._size = 0
        self._newest: OrderedDict[str, _Newest] = OrderedDict()

    def note(self, sid: str, revision: int, data: bytes) -> None:
        """Keep the data of a document, if it is newer and large enough for deltas to be a gain."""
        known = self._newest.get(sid) or _Newest()
        if known.revision >= revision:
            return
        self.drop(sid)
        if SMALLEST_DATA <= len(data) <= self._limit:
            known.revision, known.data = revision, data
            self._newest[sid] = known
            self._size += len(data)
        while self._size > self._limit:
            self._limit_hits[Limit.DELTA_MEMORY] += 1
            self.drop(next(iter(self._newest)))

    def follow(self, event: Event) -> None:
        """Set the base of an event, and keep the event's data for the next one."""
        if not isinstance(event, Updated):
            return self.drop(event.sid)
        known = self._newest.get(event.sid)
        if (
            known is not None
            and known.revision == event.previous
            and known.is_due()
            and (self._may_compare is None or self._may_compare(len(event.data)))
        ):
            event.base = Base(known.data, known.note)
        self.note(event.sid, event.revision, event.data)

    def drop(self, sid: str) -> None:
        """Drop the data of a document."""
        known = self._newest.pop(sid, None)
        if known is not None:
            self._size -= len(known.data)
