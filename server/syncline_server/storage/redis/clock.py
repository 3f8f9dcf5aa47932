"""The clock of one Redis server, estimated from TIME, and its offset from this machine's clock."""

from __future__ import annotations

import time
from typing import Any

from syncline_server.config.clock import clock

from .connection import Connection

__all__ = ["ShardClock", "now_ms"]


class ShardClock:
    """Redis' clock: its last answer to TIME, carried on by this process' monotonic clock.

    Attributes:
        offset: seconds by which this machine's clock is ahead of Redis' (negative: behind). Of the
            values that the last round trip allows, the one closest to 0.
    """

    def __init__(self) -> None:
        self.offset = 0.0
        # Redis' time minus the monotonic clock, in ms; None before the first answer.
        self._ahead_ms: float | None = None

    async def measure(self, connection: Connection) -> None:
        """Ask for the time. Raises as `Connection.execute`."""
        own_before = _machine_ms()
        reply: list[Any] = await connection.execute("TIME")
        monotonic, own_after = time.monotonic() * 1000, _machine_ms()
        redis_ms = int(reply[0]) * 1000 + int(reply[1]) / 1000
        # Redis read its clock before the reply arrived, so by now it shows at least `redis_ms`.
        self._ahead_ms = redis_ms - monotonic
        # Redis read its clock at some time within the round trip: only what exceeds the round trip
        # is an offset.
        self.offset = (max(own_before - redis_ms, 0) + min(own_after - redis_ms, 0)) / 1000

    def now_ms(self) -> int:
        """Lower bound of Redis' clock now, in ms; this machine's clock before the first answer."""
        if self._ahead_ms is None:
            return now_ms()
        return int(self._ahead_ms + time.monotonic() * 1000) + clock.offset_ms


def now_ms() -> int:
    """This machine's clock, in milliseconds since the epoch, as far ahead as a test moved it."""
    return _machine_ms() + clock.offset_ms


def _machine_ms() -> int:
    return time.time_ns() // 1_000_000
