"""How long tests wait."""

from __future__ import annotations

__all__ = ["WAIT_LIMIT"]

WAIT_LIMIT = 60.0
"""Seconds after which a wait fails: far more than a busy machine needs, and less than the guard of
each test against hangs."""
