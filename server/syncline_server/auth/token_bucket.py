"""Token bucket: a rate limit for new connections."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["TokenBucket"]


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
