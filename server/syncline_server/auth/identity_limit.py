"""Rate limits of each identity: requests and units of work per second."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable

from syncline_protocol.errors import Code, Refusal
from syncline_server.observability.metrics import Limit, Meters
from syncline_server.observability.rate_limit import FixedWindow

__all__ = ["IdentityLimit"]


class IdentityLimit:
    """Counts requests and work of each caller in one process."""

    def __init__(
        self,
        rate: int,
        work: int,
        meters: Meters,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            rate: requests per second.
            work: units of work per second (`objects.work`).
            clock: time in seconds, with any zero point.
        """
        self._requests = FixedWindow(rate, clock=clock)
        self._work = FixedWindow(work, clock=clock)
        self._limit_hits = meters.limit_hits
        self._too_many = f"One identity may send {rate} requests per second; nothing was changed."
        self._too_much = (
            f"The requests of one identity may take {work} units of work per second, "
            "each about a microsecond; nothing was changed."
        )

    def refusal(self, caller: Hashable) -> Refusal | None:
        """Count a request; returns a refusal if it exceeds the limit, else None."""
        if self._requests.admit(key=caller):
            return None
        self._limit_hits[Limit.IDENTITY_RATE] += 1
        return Refusal(Code.RATE_LIMITED, self._too_many)

    def charge(self, caller: Hashable, units: int) -> Refusal | None:
        """Count work before it is done; returns a refusal if the limit is used up, else None.

        A caller that is still below the limit may exceed it with one piece of work.
        """
        if self._work.admit(units, caller):
            return None
        self._limit_hits[Limit.IDENTITY_WORK] += 1
        return Refusal(Code.RATE_LIMITED, self._too_much)

    def rest(self) -> float:
        """Seconds until work is counted from 0 again."""
        return self._work.rest()
