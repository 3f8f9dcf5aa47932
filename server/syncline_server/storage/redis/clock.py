"""The clock of one Redis server, by its answers to TIME, and how far this machine's is from it."""

from __future__ import annotations

import time
from typing import Any

from .connection import Connection

__all__ = ["ShardClock", "now_ms"]


class ShardClock:
    """Tells Redis' time between two answers by this process' monotonic clock.

    Attributes:
        offset: seconds by which this machine's clock is ahead of Redis' (negative: behind); as
            close to 0 as the round trip of the last answer allows.
    """

    def __init__(self) -> None:
        self.offset = 0.0
        # Redis' time less the monotonic clock, in ms; None before the first answer.
        self._ahead_ms: float | None = None

    async def measure(self, connection: Connection) -> None:
        """Ask for the time. Raises as `Connection.execute`."""
        own_before = now_ms()
        reply: list[Any] = await connection.execute("TIME")
        monotonic, own_after = time.monotonic() * 1000, now_ms()
        redis_ms = int(reply[0]) * 1000 + int(reply[1]) / 1000
        # Redis answered before its answer came, so its clock shows no less than this.
        self._ahead_ms = redis_ms - monotonic
        # Redis answered at some time within the round trip: only what exceeds it is an offset.
        self.offset = (max(own_before - redis_ms, 0) + min(own_after - redis_ms, 0)) / 1000

    def now_ms(self) -> int:
        """What Redis' clock shows now at the least, in ms; before the first answer, our own."""
        if self._ahead_ms is None:
            return now_ms()
        return int(self._ahead_ms + time.monotonic() * 1000)


def now_ms() -> int:
    """This machine's clock, in milliseconds since the epoch."""
    return time.time_ns() // 1_000_000
