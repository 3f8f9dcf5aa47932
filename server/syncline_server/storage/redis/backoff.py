"""Exponential backoff with jitter: the pauses between attempts."""

from __future__ import annotations

import random

__all__ = ["PAUSE", "PAUSE_LIMIT", "Backoff"]

PAUSE = 0.05
PAUSE_LIMIT = 1.0
"""Seconds: the first and the largest ceiling of a random pause."""


class Backoff:
    """Random pauses below a ceiling that doubles with each failure."""

    def __init__(self, first: float = PAUSE, limit: float = PAUSE_LIMIT) -> None:
        """
        Args:
            first: ceiling of the first pause, in seconds.
            limit: largest ceiling, in seconds.
        """
        self._first = self._ceiling = first
        self._limit = limit

    def pause(self, after: float = 0.0) -> float:
        """Seconds to wait before the next attempt.

        Args:
            after: seconds for which the last attempt was a success before it failed; more than
                `limit` resets the ceiling.
        """
        if after > self._limit:
            self._ceiling = self._first
        pause = random.uniform(0, self._ceiling)
        self._ceiling = min(self._ceiling * 2, self._limit)
        return pause
