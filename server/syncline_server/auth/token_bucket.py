"""How fast clients may come."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["TokenBucket"]


class TokenBucket:
    """Lets in so many in a second, and as many at once after a second of quiet."""

    def __init__(self, rate: int, clock: Callable[[], float]) -> None:
        """
        Args:
            rate: clients in a second.
            clock: the time in seconds, from any beginning.
        """
        self._rate = rate
        self._clock = clock
        self._room = float(rate)
        self._counted_at = clock()

    def admit(self) -> bool:
        """Let one more in; False if that would be too many."""
        now = self._clock()
        self._room = min(self._rate, self._room + (now - self._counted_at) * self._rate)
        self._counted_at = now
        if self._room < 1:
            return False
        self._room -= 1
        return True
