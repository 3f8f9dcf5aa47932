"""Revisions: a hybrid clock that only moves forward.

A revision is the greater of "the previous one + 1" and the time in milliseconds × `PER_MS`, each
with random low bits. It stays below `LIMIT` until the year 2248. The scripts in Redis give the
revisions (`scripts/lib/revision.lua`); this module holds what the server computes from them.
"""

from __future__ import annotations

__all__ = ["LIMIT", "PER_MS", "beyond", "lowest_at", "steps"]

PER_MS = 1024
"""Revisions in a millisecond: values that the random low bits can have."""

LIMIT = 2**53
"""Every revision is below this, so that JavaScript reads it exactly."""


def lowest_at(time_ms: int) -> int:
    """The lowest revision that a write at this time of Redis can get."""
    return time_ms * PER_MS


def beyond(last: int, time_ms: int) -> int:
    """A revision for a change that was only found later: after `last`, and not before the time."""
    return max(last + 1, lowest_at(time_ms))


def steps(last: int, count: int) -> range:
    """The consecutive revisions of `count` steps of one commit, of which `last` is the newest."""
    return range(last - count + 1, last + 1)
