"""Coarse timers for very many sockets: one timer of the loop serves them all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

__all__ = ["Alarm", "Wheel"]

RESOLUTION = 0.1
"""Seconds between looks: an alarm comes at most so much late."""


class Alarm:
    """One call that is due."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """It is not called any more; safe to repeat."""
        self.callback = None

    def ring(self) -> None:
        """Make the call, unless it was cancelled."""
        if self.callback is not None:
            self.callback()


class Wheel:
    """Alarms, by the slice of time in which they are due. An empty wheel does not turn."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._slices: dict[int, list[Alarm]] = {}
        self._turned_to = 0
        self._turning = False

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Alarm:
        """Call `callback`, which must not block, in about so many seconds."""
        alarm = Alarm(callback)
        due = int((self._loop.time() + max(seconds, 0)) / RESOLUTION) + 1
        self._slices.setdefault(due, []).append(alarm)
        if not self._turning:
            self._turning = True
            self._turned_to = due - 1
            self._loop.call_later(RESOLUTION, self._turn)
        self._turned_to = min(self._turned_to, due - 1)
        return alarm

    def _turn(self) -> None:
        now = int(self._loop.time() / RESOLUTION)
        while self._turned_to < now:
            self._turned_to += 1
            for alarm in self._slices.pop(self._turned_to, ()):
                # Not called here: one that fails must not stop the wheel.
                self._loop.call_soon(alarm.ring)
        if self._slices:
            self._loop.call_later(RESOLUTION, self._turn)
        else:
            self._turning = False
