"""The limit of open files of this process."""

from __future__ import annotations

import resource
from contextlib import suppress

__all__ = ["HIGHEST", "raise_limit"]

HIGHEST = 1_048_576
"""Soft limit to set if the hard limit is infinite."""


def raise_limit() -> None:
    """Raise the soft limit of this process, and of its children, to the hard limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = HIGHEST if hard == resource.RLIM_INFINITY else hard
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
