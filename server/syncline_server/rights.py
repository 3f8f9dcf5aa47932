"""The three rights that there are."""

from __future__ import annotations

from enum import IntFlag

__all__ = ["Right"]


class Right(IntFlag):
    """The vendor's three, as they are stored."""

    NONE = 0
    READ = 1
    WRITE = 2
    MANAGE = 4
