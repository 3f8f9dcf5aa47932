"""Pauses between attempts."""

from __future__ import annotations

import random

__all__ = ["PAUSE", "PAUSE_LIMIT", "Backoff"]

PAUSE = 0.05
PAUSE_LIMIT = 1.0
"""Seconds: the ceiling of the first random pause, and the greatest."""


class Backoff:
    """Jittered pauses below a ceiling that doubles with each failure."""

    def __init__(self, first: float = PAUSE, limit: float = PAUSE_LIMIT) -> None:
        """The ceiling of the first pause, and the greatest, in seconds."""
        self._first = self._ceiling = first
        self._limit = limit

    def pause(self, after: float = 0.0) -> float:
        """Seconds to wait; what had stood for more than the limit, in `after`, begins anew."""
        if after > self._limit:
            self._ceiling = self._first
        pause = random.uniform(0, self._ceiling)
        self._ceiling = min(self._ceiling * 2, self._limit)
        return pause
