"""The expiry of the token of one connection: a notice before, then the end."""

from __future__ import annotations

import time
from collections.abc import Callable

from .timer_wheel import Timer, TimerWheel

__all__ = ["TokenTimer"]

NOTICE = 180
"""Seconds between the notice and the expiry (docs/protocol.md, section 1)."""

SHORT_LIFE = 1800
"""Seconds: if a token has less left when it is presented, the notice comes at a tenth of that."""


class TokenTimer:
    """The timers of the token in force; the callbacks must not block."""

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
            leeway: seconds by which clocks may differ, added to the time of the expiry.
            on_notice: receives the seconds that are left.
            on_end: called when the token has expired.
        """
        self._wheel = wheel
        self._leeway = leeway
        self._on_notice = on_notice
        self._on_end = on_end
        # Seconds between the notice and the expiry of this token.
        self._notice = 0.0
        self._alarm: Timer | None = None

    def begin(self, expires_at: float | None) -> None:
        """Start the timers. `expires_at`: seconds since the epoch; None if it never expires."""
        self.end()
        if expires_at is None:
            return
        left = max(0.0, expires_at - time.time())
        self._notice = NOTICE if left >= SHORT_LIFE else left / 10
        self._alarm = self._wheel.call_later(left - self._notice, self._tell)

    def end(self) -> None:
        """Stop the timers; no callback is called any more."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _tell(self) -> None:
        self._alarm = self._wheel.call_later(self._notice + self._leeway, self._on_end)
        self._on_notice(round(self._notice))
