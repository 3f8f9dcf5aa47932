"""The time of this server. With `--test-clock`, a test can move it forward.

Expiry and dates follow Redis' clock, and tokens follow this machine's. The same offset is added to
both; scripts receive it as an argument. Without `--test-clock` the offset is always 0, and scripts
receive nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from weakref import WeakMethod

from .validation import SettingError

__all__ = ["MOST", "Clock", "clock"]

MOST = 10 * 365 * 86_400
"""Seconds that one server can be moved in all: revisions must stay below 2^53."""


class Clock:
    """The offset of one process, which alone serves its data.

    Attributes:
        is_movable: True after `make_movable`.
        offset_ms: milliseconds by which the server's time is ahead of the real time.
        script_arguments: what each script receives in addition.
    """

    def __init__(self) -> None:
        self.is_movable = False
        self.offset_ms = 0
        self.script_arguments: tuple[str | int, ...] = ()
        self._listeners: list[WeakMethod[Callable[[], None]]] = []

    def now(self) -> float:
        """This machine's time with the offset, in seconds since the epoch."""
        return time.time() + self.offset_ms / 1000

    def make_movable(self) -> None:
        """Permit `advance`."""
        self.is_movable = True

    def advance(self, milliseconds: int) -> None:
        """Move the time forward; call `notify` once what has expired is removed.

        Raises:
            SettingError: the clock is not movable.
            ValueError: not more than 0, or beyond `MOST`.
        """
        if not self.is_movable:
            raise SettingError("only a server with --test-clock has a clock that can be moved")
        if milliseconds <= 0 or self.offset_ms + milliseconds > MOST * 1000:
            raise ValueError(f"the clock moves forward only, by at most {MOST} seconds in all")
        self.offset_ms += milliseconds
        self.script_arguments = "clock_offset_ms", self.offset_ms

    def notify(self) -> None:
        """Call the listeners."""
        for listener in [found for each in self._listeners if (found := each())]:
            listener()

    def on_move(self, listener: Callable[[], None]) -> None:
        """Call a bound method at each `notify`, while its object exists."""
        if self.is_movable:
            self._listeners = [each for each in self._listeners if each() is not None]
            self._listeners.append(WeakMethod(listener))


clock = Clock()
"""The time of this process."""
