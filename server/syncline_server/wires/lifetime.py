"""How long a token lets its bearer stay."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from .wheel import Alarm, Wheel

__all__ = ["TokenLife"]

NOTICE = 180
"""Seconds before the end at which the client is told (docs/protocol.md, section 1)."""

SHORT_LIFE = 1800
"""Seconds: one that has less left when it is presented is told of when a tenth of that is left."""


class TokenLife:
    """Timers for the token in force; both callbacks are plain calls."""

    def __init__(
        self,
        wheel: Wheel,
        leeway: float,
        on_notice: Callable[[int], None],
        on_end: Callable[[], None],
    ) -> None:
        """
        Args:
            leeway: seconds by which clocks may differ: the end comes so much later.
            on_notice: takes the seconds that are left.
            on_end: the token has run out.
        """
        self._wheel = wheel
        self._leeway = leeway
        self._on_notice = on_notice
        self._on_end = on_end
        self._alarms: list[Alarm] = []

    def begin(self, expires_at: float | None) -> None:
        """A token is in force until `expires_at`, in seconds since the epoch; None for ever."""
        self.end()
        if expires_at is None:
            return
        left = max(0.0, expires_at - time.time())
        notice = NOTICE if left >= SHORT_LIFE else left / 10
        self._alarms = [
            self._wheel.call_later(left - notice, partial(self._on_notice, round(notice))),
            self._wheel.call_later(left + self._leeway, self._on_end),
        ]

    def end(self) -> None:
        """Nothing is told any more."""
        for alarm in self._alarms:
            alarm.cancel()
        self._alarms.clear()
