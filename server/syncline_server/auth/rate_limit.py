"""Rate limits of one process for each caller: requests and units of work per second."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable

from syncline_protocol.errors import Code, Refusal
from syncline_server.observability.metrics import Meters

__all__ = ["FixedWindow"]


class FixedWindow:
    """Counts requests and work of each caller in fixed windows of one second.

    Only the counts of the current second are kept, so that memory depends on the request rate, not
    on the number of callers.
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
            rate: requests per second.
            work: units of work per second (`objects.work`).
            clock: time in seconds, with any zero point.
        """
        self._rate = rate
        self._work_limit = work
        self._meters = meters
        self._clock = clock
        self._ends_at = 0.0
        self._counts: dict[Hashable, int] = {}
        self._work: dict[Hashable, int] = {}

    def refusal(self, caller: Hashable) -> Refusal | None:
        """Count a request; returns a refusal if it exceeds the limit, else None."""
        self._begin_second()
        count = self._counts[caller] = self._counts.get(caller, 0) + 1
        if count <= self._rate:
            return None
        self._meters.bounds["identity_rate"] += 1
        return Refusal(
            Code.RATE_LIMITED,
            f"One identity may send {self._rate} requests per second; nothing was changed.",
        )

    def charge(self, caller: Hashable, units: int) -> Refusal | None:
        """Count work before it is done; returns a refusal if the limit is used up, else None.

        A caller that is still below the limit may exceed it with one piece of work.
        """
        self._begin_second()
        spent = self._work.get(caller, 0)
        if spent < self._work_limit:
            self._work[caller] = spent + units
            return None
        self._meters.bounds["identity_work"] += 1
        return Refusal(
            Code.RATE_LIMITED,
            f"The requests of one identity may take {self._work_limit} units of work per second, "
            "each about a microsecond; nothing was changed.",
        )

    def rest(self) -> float:
        """Seconds until the next window begins."""
        return max(0.0, self._ends_at - self._clock())

    def _begin_second(self) -> None:
        now = self._clock()
        if now >= self._ends_at:
            self._counts.clear()
            self._work.clear()
            self._ends_at = now + 1.0
