"""How many requests a caller may make, and how much work they may be."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable

from syncline_protocol.errors import Code, Refusal
from syncline_server.observability.metrics import Meters

__all__ = ["Pace"]


class Pace:
    """So many requests of each caller, and so much work, in a second of this process.

    What is kept are the counts of the second at hand, so that many callers cost no more than their
    requests do.
    """

    def __init__(
        self,
        rate: int,
        work: int,
        meters: Meters,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            rate: requests in a second.
            work: units of work in a second (`objects.work`).
            clock: the time in seconds, from any beginning.
        """
        self._rate = rate
        self._work_limit = work
        self._meters = meters
        self._clock = clock
        self._ends_at = 0.0
        self._counts: dict[Hashable, int] = {}
        self._work: dict[Hashable, int] = {}

    def refusal(self, caller: Hashable) -> Refusal | None:
        """Count a request; why it is not carried out now, if it is not."""
        self._begin_second()
        count = self._counts[caller] = self._counts.get(caller, 0) + 1
        if count <= self._rate:
            return None
        self._meters.bounds["identity_rate"] += 1
        return Refusal(
            Code.RATE_LIMITED,
            f"One identity may make {self._rate} requests a second; nothing was changed.",
        )

    def charge(self, caller: Hashable, units: int) -> Refusal | None:
        """Count work before it is done; why it is not to be done now, if it is not.

        Who has something left may do a piece that is larger.
        """
        self._begin_second()
        spent = self._work.get(caller, 0)
        if spent < self._work_limit:
            self._work[caller] = spent + units
            return None
        self._meters.bounds["identity_work"] += 1
        return Refusal(
            Code.RATE_LIMITED,
            f"The requests of one identity may take {self._work_limit} units of work a second, "
            "each about a microsecond; nothing was changed.",
        )

    def rest(self) -> float:
        """Seconds until counting begins again."""
        return max(0.0, self._ends_at - self._clock())

    def _begin_second(self) -> None:
        now = self._clock()
        if now >= self._ends_at:
            self._counts.clear()
            self._work.clear()
            self._ends_at = now + 1.0
