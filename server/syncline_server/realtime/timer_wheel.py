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
        self._wheel.remove(self._due, self)


class TimerWheel:
    """Timers by the slice of time in which they are due. An empty wheel does not tick."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        # The timers of each slice, in the order in which they were set.
        self._slices: dict[int, dict[Timer, None]] = {}
        self._slice = 0
        self._ticking = False

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Call `callback`, which must not block, in about `seconds`."""
        due = int((self._loop.time() + max(seconds, 0)) / RESOLUTION) + 1
        timer = Timer(self, due, callback)
        timers = self._slices.get(due)
        if timers is None:
            timers = self._slices[due] = {}
        timers[timer] = None
        if not self._ticking:
            self._ticking = True
            self._slice = due - 1
            self._loop.call_later(RESOLUTION, self._tick)
        if due <= self._slice:
            self._slice = due - 1
        return timer

    def remove(self, due: int, timer: Timer) -> None:
        """Forget a timer. One may be due in a day, while its connection ends within a second."""
        timers = self._slices.get(due)
        if timers is not None:
            timers.pop(timer, None)
            if not timers:
                del self._slices[due]

    def _tick(self) -> None:
        now = int(self._loop.time() / RESOLUTION)
        while self._slice < now:
            self._slice += 1
            for timer in list(self._slices.get(self._slice, ())):
                # Not called here, because an exception would stop the wheel.
                self._loop.call_soon(self._fire, self._slice, timer)
        if self._slices:
            self._loop.call_later(RESOLUTION, self._tick)
        else:
            self._ticking = False

    def _fire(self, due: int, timer: Timer) -> None:
        """Make the call, unless it was cancelled since `_tick` scheduled it."""
        if timer in self._slices.get(due, ()):
            self.remove(due, timer)
            timer.callback()
