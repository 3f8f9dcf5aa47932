"""The lease of the periodic work: one process of a data set does what must be done now and then.

That is the search for what has expired, for services to delete, for memory to free, for webhooks
whose process died, and for dead processes. The other processes do not ask Redis for any of it.

Several processes at once are safe: each step of that work is one atomic script, or has a lease of
its own. So a process that was paused for longer than its lease does no harm when it goes on.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

__all__ = ["LEASE_MS", "PeriodicLease"]

LEASE_MS = 1500
"""Milliseconds for which the lease lasts, unless its process renews it with each poll."""


class PeriodicLease:
    """Whether this process has the lease, as of the last poll (`DataSetPoll`).

    Attributes:
        holder: name of this process in the lease.
    """

    def __init__(self) -> None:
        self.holder = secrets.token_hex(8)
        self._ends_at = float("-inf")
        self._listeners: list[Callable[[], None]] = []

    @property
    def is_held(self) -> bool:
        """True if this process does the periodic work now."""
        return time.monotonic() < self._ends_at

    def on_gain(self, listener: Callable[[], None]) -> None:
        """Call `listener` when this process gets the lease. It must not block.

        The process before it may have died in the middle of any work.
        """
        self._listeners.append(listener)

    def update(self, is_held: bool, asked_at: float) -> None:
        """Record the answer of a poll, which was sent at `asked_at` (`time.monotonic`).

        Redis counts the lease from a later moment, so it cannot end there before it ends here.
        """
        was_held = self.is_held
        self._ends_at = asked_at + LEASE_MS / 1000 if is_held else float("-inf")
        if self.is_held and not was_held:
            for listener in self._listeners:
                listener()
