"""The time of a server that was started for tests."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol

__all__ = ["ServerClock"]


class _Request(Protocol):
    def __call__(self, method: str, path: str, form: dict[str, Any], /) -> dict[str, Any]: ...


class ServerClock:
    """Moves the time of the server forward: for Redis, whose clock decides expiry, and for tokens.

    It never moves back. What the server measures in elapsed time stays real: pauses before webhooks
    are sent again, timeouts, rate limits, how long operation ids are remembered.

    Attributes:
        offset: seconds by which the server's time is ahead of this machine's.
    """

    def __init__(self, request: _Request) -> None:
        self._request = request
        self.offset = 0.0

    def advance(self, seconds: float) -> datetime:
        """Move the time forward.

        When this returns, the objects and items whose time has passed are removed and their events
        are on the way; tokens that have expired are refused, and their connections end.

        Args:
            seconds: more than 0.

        Returns:
            the new time of the server.
        """
        moved = self._request("POST", "/TestClock", {"Seconds": seconds})
        self.offset = float(moved["offset_seconds"])
        return datetime.fromisoformat(moved["now"])

    def now(self) -> datetime:
        """The time of the server."""
        return datetime.fromisoformat(self._request("GET", "/TestClock", {})["now"])
