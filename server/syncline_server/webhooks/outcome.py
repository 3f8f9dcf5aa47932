"""Outcome of an attempt to deliver a webhook."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Outcome"]

GONE = 410


@dataclass(frozen=True, slots=True)
class Outcome:
    """Outcome of an attempt.

    Attributes:
        status: HTTP status of the reply; None without a reply.
        reason: why the attempt failed, in a sentence; "" if it succeeded.
        retry_after: seconds from the receiver's `Retry-After`; 0 without one.
    """

    status: int | None
    reason: str = ""
    retry_after: float = 0.0

    @property
    def is_delivered(self) -> bool:
        """True if the receiver accepted the event."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_final(self) -> bool:
        """True if the receiver asks for no more attempts (410)."""
        return self.status == GONE
