"""Rate limits: `FixedWindow` counts units per period, `TokenBucket` admits clients per second."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, KeysView

__all__ = ["FixedWindow", "TokenBucket"]


class FixedWindow:
    """Counts units in windows of fixed length, for each key apart.

    Only the counts of the current window are kept, so that memory depends on the rate, not on the
    number of keys. A window begins with the first call after the last one has ended.
    """

    __slots__ = ("_clock", "_counts", "_ends_at", "_limit", "_period")

    def __init__(
        self, limit: int, period: float = 1.0, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """
        Args:
            limit: units in each window, for each key.
            period: seconds that a window lasts.
            clock: time in seconds, with any zero point.
        """
        self._limit = limit
        self._period = period
        self._clock = clock
        self._ends_at = float("-inf")
        self._counts: dict[Hashable, int] = {}

    @property
    def keys(self) -> KeysView[Hashable]:
        """What was counted since the window began."""
        return self._counts.keys()

    def left(self, key: Hashable = None) -> int:
        """Units left in this window; negative if `take` has exceeded the limit."""
        now = self._clock()
        if now >= self._ends_at:
            self._counts.clear()
            self._ends_at = now + self._period
        return self._limit - self._counts.get(key, 0)

    def take(self, units: int = 1, key: Hashable = None) -> None:
        """Count units, whether or not so many are left."""
        self._counts[key] = self._counts.get(key, 0) + units

    def admit(self, units: int = 1, key: Hashable = None) -> bool:
        """Count units if any are left, and return True; False if the limit was reached before.

        A key that is below the limit may exceed it by one call.
        """
        # As `left` and `take`, in one step: every request of a client passes here.
        now = self._clock()
        if now >= self._ends_at:
            self._counts.clear()
            self._ends_at = now + self._period
        count = self._counts.get(key, 0)
        if count >= self._limit:
            return False
        self._counts[key] = count + units
        return True

    def rest(self) -> float:
        """Seconds until the next window begins."""
        return max(0.0, self._ends_at - self._clock())


class TokenBucket:
    """Admits `rate` clients per second, with bursts of up to `rate` after a quiet second."""

    def __init__(self, rate: int, clock: Callable[[], float]) -> None:
        """
        Args:
            rate: clients per second.
            clock: time in seconds, with any zero point.
        """
        self._rate = rate
        self._clock = clock
        self._room = float(rate)
        self._counted_at = clock()

    def admit(self) -> bool:
        """True if one more client may come in, which is then counted."""
        now = self._clock()
        self._room = min(self._rate, self._room + (now - self._counted_at) * self._rate)
        self._counted_at = now
        if self._room < 1:
            return False
        self._room -= 1
        return True
