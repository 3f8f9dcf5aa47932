"""How long to wait before connecting again (docs/protocol.md, section 8)."""

from __future__ import annotations

import random

__all__ = ["STABLE_AFTER", "Backoff"]

STABLE_AFTER = 5
"""Seconds after which a connection counts as good."""


class Backoff:
    """Random pauses below a ceiling that doubles with each failure.

    The ceiling goes back only after a connection has stood for a while; otherwise a server that
    accepts and drops at once would be dialled without pause.
    """

    def __init__(self, initial: float, limit: float, *, stable_after: float = STABLE_AFTER) -> None:
        """
        Args:
            initial: the first ceiling, in seconds.
            limit: the greatest ceiling, in seconds.
            stable_after: seconds after which a connection counts as good.
        """
        self._initial = initial
        self._limit = limit
        self._ceiling = initial
        self._stable_after = stable_after

    @property
    def ceiling(self) -> float:
        """The longest that the next pause can be, in seconds."""
        return self._ceiling

    def pause(self) -> float:
        """The next pause, in seconds; raises the ceiling."""
        pause = random.uniform(0, self._ceiling)
        self._ceiling = min(self._ceiling * 2, self._limit)
        return pause

    def connection_stood(self, seconds: float) -> None:
        """Take note that a connection ended after so long."""
        if seconds >= self._stable_after:
            self._ceiling = self._initial
