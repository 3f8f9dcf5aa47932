"""The expiry of the token of one connection: a notice before, then the end."""

from __future__ import annotations

from collections.abc import Callable

from syncline_server.config.clock import clock

from .timer_wheel import Timer, TimerWheel

__all__ = ["TokenTimer"]

NOTICE = 180
"""Seconds between the notice and the expiry (docs/protocol.md, section 1)."""

SHORT_LIFE = 1800
"""Seconds: if a token has less left when it is presented, the notice comes at a tenth of that."""


class TokenTimer:
    """The timers of the token in force; the callbacks must not block."""

    __slots__ = (
        "__weakref__",
        "_expires_at",
        "_leeway",
        "_notice_period",
        "_on_expiry",
        "_on_notice",
        "_timer",
        "_timers",
    )

    def __init__(
        self,
        timers: TimerWheel,
        leeway: float,
        on_notice: Callable[[int], None],
        on_expiry: Callable[[], None],
    ) -> None:
        """
        Args:
            leeway: seconds by which clocks may differ, added to the time of the expiry.
            on_notice: receives the seconds that are left.
            on_expiry: called when the token has expired.
        """
        self._timers = timers
        self._leeway = leeway
        self._on_notice = on_notice
        self._on_expiry = on_expiry
        # Seconds between the notice and the expiry of this token.
        self._notice_period = 0.0
        self._timer: Timer | None = None
        self._expires_at = 0.0
        clock.on_move(self._follow_clock)

    def start(self, expires_at: float | None) -> None:
        """Start the timers. `expires_at`: seconds since the epoch; None if it never expires."""
        self.stop()
        if expires_at is None:
            return
        self._expires_at = expires_at
        left = max(0.0, expires_at - clock.now())
        self._notice_period = NOTICE if left >= SHORT_LIFE else left / 10
        self._timer = self._timers.call_later(left - self._notice_period, self._give_notice)

    def stop(self) -> None:
        """Stop the timers; no callback is called any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _follow_clock(self) -> None:
        """A test has moved the clock forward."""
        if self._timer is None:
            return
        left = self._expires_at - clock.now()
        self._timer.cancel()
        was_notified = self._timer.callback == self._on_expiry
        if was_notified or left <= -self._leeway:
            self._timer = self._timers.call_later(left + self._leeway, self._on_expiry)
        elif left <= self._notice_period:
            self._notice_period = left
            self._timer = self._timers.call_later(0, self._give_notice)
        else:
            wait = left - self._notice_period
            self._timer = self._timers.call_later(wait, self._give_notice)

    def _give_notice(self) -> None:
        self._timer = self._timers.call_later(self._notice_period + self._leeway, self._on_expiry)
        self._on_notice(round(self._notice_period))
