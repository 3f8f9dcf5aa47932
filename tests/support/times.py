"""A timer wheel whose time the test controls."""

from __future__ import annotations

from collections.abc import Callable

from syncline_server.realtime.timer_wheel import Timer, TimerWheel

__all__ = ["Times"]


class Times(TimerWheel):
    """A timer wheel that runs its timers only when a test calls `run_all` or `run_next`.

    Attributes:
        now: seconds since the start.
        timers: pending timers, each with the time at which it is due.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.timers: list[tuple[float, Timer]] = []

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        timer = Timer(self, 0, callback)
        self.timers.append((self.now + max(seconds, 0), timer))
        return timer

    def remove(self, due: int, timer: Timer) -> None:
        self.timers = [(seconds, each) for seconds, each in self.timers if each is not timer]

    def run_all(self) -> list[float]:
        """Run all pending timers in the order of their time; return those times."""
        ran_at = []
        while self.timers:
            ran_at.append(self.run_next())
        return ran_at

    def run_next(self) -> float:
        """Run the pending timer that is due first; return its time."""
        self.now, timer = min(self.timers, key=lambda each: each[0])
        timer.cancel()
        timer.callback()
        return self.now
