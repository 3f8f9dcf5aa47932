"""A timer wheel: coarse timers for very many sockets, driven by one timer of the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

__all__ = ["Timer", "TimerWheel"]

RESOLUTION = 0.1
"""Seconds between two ticks; also about how late a callback may be."""


class Timer:
    """One scheduled call."""

    __slots__ = ("_due", "_wheel", "callback")

    def __init__(self, wheel: TimerWheel, due: int, callback: Callable[[], None]) -> None:
        self._wheel = wheel
        self._due = due
        self.callback = callback

    def cancel(self) -> None:
        """Cancel the call and forget the timer; safe to repeat."""
        self._wheel.drop(self._due, self)


class TimerWheel:
    """Timers by the slice of time in which they are due. An empty wheel does not tick."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        # The timers of each slice, in the order in which they were set.
        self._slices: dict[int, dict[Timer, None]] = {}
        self._turned_to = 0
        self._turning = False

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Call `callback`, which must not block, in about `seconds`."""
        due = int((self._loop.time() + max(seconds, 0)) / RESOLUTION) + 1
        alarm = Timer(self, due, callback)
        self._slices.setdefault(due, {})[alarm] = None
        if not self._turning:
            self._turning = True
            self._turned_to = due - 1
            self._loop.call_later(RESOLUTION, self._turn)
        self._turned_to = min(self._turned_to, due - 1)
        return alarm

    def drop(self, due: int, alarm: Timer) -> None:
        """Forget a timer. One may be due in a day, while its connection ends within a second."""
        alarms = self._slices.get(due)
        if alarms is not None:
            alarms.pop(alarm, None)
            if not alarms:
                del self._slices[due]

    def _turn(self) -> None:
        now = int(self._loop.time() / RESOLUTION)
        while self._turned_to < now:
            self._turned_to += 1
            for alarm in list(self._slices.get(self._turned_to, ())):
                # Not called here, because an exception would stop the wheel.
                self._loop.call_soon(self._ring, self._turned_to, alarm)
        if self._slices:
            self._loop.call_later(RESOLUTION, self._turn)
        else:
            self._turning = False

    def _ring(self, due: int, alarm: Timer) -> None:
        """Make the call, unless it was cancelled since `_turn` scheduled it."""
        if alarm in self._slices.get(due, ()):
            self.drop(due, alarm)
            alarm.callback()
