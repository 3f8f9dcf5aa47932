"""How many requests a caller may make."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable

from syncline_protocol.errors import Code, Refusal
from syncline_server.observability.metrics import Meters

__all__ = ["Pace"]


class Pace:
    """So many requests of each caller in a second of this process.

    What is kept are the counts of the second at hand, so that many callers cost no more than their
    requests do.
    """

    def __init__(
        self, rate: int, meters: Meters, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """
        Args:
            rate: requests in a second.
            clock: the time in seconds, from any beginning.
        """
        self._rate = rate
        self._meters = meters
        self._clock = clock
        self._ends_at = 0.0
        self._counts: dict[Hashable, int] = {}

    def refusal(self, caller: Hashable) -> Refusal | None:
        """Count a request; why it is not carried out now, if it is not."""
        now = self._clock()
        if now >= self._ends_at:
            self._counts.clear()
            self._ends_at = now + 1.0
        count = self._counts[caller] = self._counts.get(caller, 0) + 1
        if count <= self._rate:
            return None
        self._meters.bounds["identity_rate"] += 1
        return Refusal(
            Code.RATE_LIMITED,
            f"One identity may make {self._rate} requests a second; nothing was changed.",
        )
