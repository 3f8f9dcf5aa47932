"""A timer wheel whose time the test controls."""

from __future__ import annotations

from collections.abc import Callable

from syncline_server.realtime.timer_wheel import Timer, TimerWheel

__all__ = ["Times"]


class Times(TimerWheel):
    """A timer wheel that runs its timers only when a test calls `ring`.

    Attributes:
        now: seconds since the start.
        alarms: pending timers, each with the time at which it is due.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.alarms: list[tuple[float, Timer]] = []

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        alarm = Timer(self, 0, callback)
        self.alarms.append((self.now + seconds, alarm))
        return alarm

    def drop(self, due: int, alarm: Timer) -> None:
        self.alarms = [(seconds, each) for seconds, each in self.alarms if each is not alarm]

    def ring(self) -> list[float]:
        """Run all pending timers in the order of their time; return those times."""
        rung = []
        while self.alarms:
            self.now, alarm = min(self.alarms, key=lambda each: each[0])
            alarm.cancel()
            alarm.callback()
            rung.append(self.now)
        return rung
