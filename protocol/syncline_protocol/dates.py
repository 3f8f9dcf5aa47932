"""Dates in messages: ISO 8601 in UTC, from milliseconds since the epoch."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

__all__ = ["format_milliseconds", "format_seconds", "parse"]

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{3})?Z", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def format_milliseconds(ms: int) -> str:
    """Format as `2026-01-31T08:15:30.123Z`, for the native protocol and the vendor's SDKs."""
    return f"{_seconds(ms // 1000)}.{ms % 1000:03d}Z"


def format_seconds(ms: int) -> str:
    """Format as `2026-01-31T08:15:30Z`, for REST: the vendor's Python helper rejects fractions."""
    return f"{_seconds(ms // 1000)}Z"


def parse(text: str) -> datetime:
    """Parse either form to an aware datetime. Raises ValueError for anything else."""
    if _DATE.fullmatch(text) is None:
        raise ValueError(f"not a date of the protocol: {text!r}")
    return datetime.fromisoformat(text)


# Cached: the dates of current events fall in the same few seconds.
@lru_cache(maxsize=1024)
def _seconds(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
