"""The watch over a client that reads too slowly."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from syncline_server.realtime.timer_wheel import TimerWheel

__all__ = ["SlowReaderWatch"]


class SlowReaderWatch:
    """Runs while a transport's buffer is full, and ends if the client reads nothing at all."""

    __slots__ = ("_buffered", "_on_slow", "_timeout", "_timer", "_timers", "_transport")

    def __init__(
        self,
        transport: asyncio.Transport,
        timers: TimerWheel,
        timeout: float,
        on_slow: Callable[[], None],
    ) -> None:
        """`on_slow`: called if the client has read nothing for `timeout` seconds."""
        self._transport = transport
        self._timers = timers
        self._timeout = timeout
        self._on_slow = on_slow
        self._start()

    def cancel(self) -> None:
        """End the watch; safe to repeat."""
        self._timer.cancel()

    def _start(self) -> None:
        self._buffered = self._transport.get_write_buffer_size()
        self._timer = self._timers.call_later(self._timeout, self._check)

    def _check(self) -> None:
        if self._transport.get_write_buffer_size() >= self._buffered:
            self._on_slow()
        else:
            self._start()
