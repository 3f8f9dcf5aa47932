"""Time that passes when a test says so."""

from __future__ import annotations

from collections.abc import Callable

from syncline_server.wires.wheel import Alarm, Wheel

__all__ = ["Times"]


class Times(Wheel):
    """A wheel that does not turn.

    Attributes:
        alarms: what was asked for: seconds, and the alarm.
    """

    def __init__(self) -> None:
        super().__init__()
        self.alarms: list[tuple[float, Alarm]] = []

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Alarm:
        alarm = Alarm(callback)
        self.alarms.append((seconds, alarm))
        return alarm

    def ring(self) -> list[float]:
        """Make every call that is not cancelled, in time; returns when."""
        due = sorted((s, a) for s, a in self.alarms if a.callback is not None)
        for _, alarm in due:
            alarm.ring()
        return [seconds for seconds, _ in due]
