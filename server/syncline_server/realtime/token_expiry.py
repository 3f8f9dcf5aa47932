"""How long a token lets its bearer stay."""

from __future__ import annotations

import time
from collections.abc import Callable

from .timer_wheel import Timer, TimerWheel

__all__ = ["TokenTimer"]

NOTICE = 180
"""Seconds before the end at which the client is told (docs/protocol.md, section 1)."""

SHORT_LIFE = 1800
"""Seconds: one that has less left when it is presented is told of when a tenth of that is left."""


class TokenTimer:
    """Timers for the token in force; both callbacks are plain calls."""

    __slots__ = (
        "_alarm",
        "_leeway",
        "_notice",
        "_on_end",
        "_on_notice",
        "_wheel",
    )

    def __init__(
        self,
        wheel: TimerWheel,
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
        # Seconds before the end at which the client is told.
        self._notice = 0.0
        self._alarm: Timer | None = None

    def begin(self, expires_at: float | None) -> None:
        """A token is in force until `expires_at`, in seconds since the epoch; None for ever."""
        self.end()
        if expires_at is None:
            return
        left = max(0.0, expires_at - time.time())
        self._notice = NOTICE if left >= SHORT_LIFE else left / 10
        self._alarm = self._wheel.call_later(left - self._notice, self._tell)

    def end(self) -> None:
        """Nothing is told any more."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _tell(self) -> None:
        self._alarm = self._wheel.call_later(self._notice + self._leeway, self._on_end)
        self._on_notice(round(self._notice))
