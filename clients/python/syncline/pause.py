"""The wait before the next attempt to connect, which requests shorten."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

__all__ = ["Pause"]

SHARE = 0.25
"""The longest random pause while a request waits, as a share of its time-out (rule C10)."""


class Pause:
    """Pauses of a connection; shorter while a request waits."""

    def __init__(self) -> None:
        self._waiting = 0
        self._wanted = asyncio.Event()

    @contextmanager
    def hurry(self) -> Iterator[None]:
        """Keep pauses short while the body runs, because the application waits for it."""
        self._waiting += 1
        self._wanted.set()
        try:
            yield
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._wanted.clear()

    async def take(self, asked: float, drawn: float, timeout: float) -> None:
        """Sleep for both times; for less of `drawn` if a request waits, or comes meanwhile.

        Args:
            asked: seconds that the server asks for.
            drawn: the random pause of the back-off.
            timeout: time-out of a request.
        """
        shortest = min(drawn, timeout * SHARE)
        await asyncio.sleep(asked + shortest)
        with suppress(TimeoutError):
            async with asyncio.timeout(drawn - shortest):
                await self._wanted.wait()
