"""Exponential back-off with random pauses (docs/protocol.md, rule C9). No clock: callers sleep."""

from __future__ import annotations

import random
from collections.abc import Callable

__all__ = ["STABLE_AFTER", "Backoff"]

STABLE_AFTER = 5
"""Seconds that a connection must last before the back-off resets."""


class Backoff:
    """Random pauses below a ceiling that doubles with each failure.

    The ceiling resets only after a connection, or whatever is tried, has lasted `stable_after`
    seconds. Otherwise a server that accepts and drops at once would be dialled without a pause.
    """

    def __init__(
        self,
        initial: float,
        limit: float,
        *,
        stable_after: float = STABLE_AFTER,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """
        Args:
            initial: the first ceiling, in seconds.
            limit: the maximum ceiling, in seconds.
            stable_after: seconds that an attempt must last before the ceiling resets.
            draw: returns a random number from 0 to 1.
        """
        self._initial = initial
        self._limit = limit
        self._ceiling = initial
        self._stable_after = stable_after
        self._draw = draw

    @property
    def ceiling(self) -> float:
        """Maximum of the next pause, in seconds."""
        return self._ceiling

    def pause(self) -> float:
        """Return the next pause, in seconds, and double the ceiling."""
        pause = self._draw() * self._ceiling
        self._ceiling = min(self._ceiling * 2, self._limit)
        return pause

    def reset_if_stable(self, seconds: float) -> None:
        """Reset the ceiling if what just ended had lasted for `stable_after`."""
        if seconds >= self._stable_after:
            self._ceiling = self._initial
