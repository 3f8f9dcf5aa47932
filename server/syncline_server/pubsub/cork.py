"""Write coalescing: the frames for one client in one turn of the event loop leave in one write.

The loop's transports write at once, which is best for a single frame. Under load, frames come in
bursts, and a write costs more than everything else that is done for a frame.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Protocol

__all__ = ["Cork", "Outlet"]

logger = logging.getLogger("syncline.cork")


FRAMES_LIMIT = 32
"""Frames that wait for one client, at most; at this number they are written at once."""


class Outlet(Protocol):
    """The sending end of one client's connection.

    Attributes:
        write: sends bytes to the client; must not block.
        corked: the frames that wait for the end of this turn; None if there are none.
    """

    write: Callable[[bytes], None]
    corked: list[bytes] | None


class Cork:
    """Collects frames until the turn of the loop ends. Needs a running loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._outlets: list[Outlet] = []
        self._is_busy = False

    def add_frame(self, outlet: Outlet, frame: bytes) -> None:
        """Write a frame together with the client's others of this turn."""
        if outlet.corked is None:
            outlet.corked = [frame]
            self._outlets.append(outlet)
            self._start_turn()
        else:
            outlet.corked.append(frame)
            if len(outlet.corked) >= FRAMES_LIMIT:
                self.flush(outlet)

    def write_to_all(self, outlets: Iterable[Outlet], frame: bytes) -> None:
        """Write a frame to many clients: at once if it is the first of this turn."""
        if self._is_busy:
            self._for_each(outlets, lambda outlet: self.add_frame(outlet, frame))
        else:
            # No outlet has a frame that waits, so this one overtakes none. Later frames of the turn
            # are corked.
            self._start_turn()
            # Not by `_for_each`: a call more for each subscriber would show.
            left = iter(outlets)
            while True:
                try:
                    for outlet in left:
                        outlet.write(frame)
                except Exception as error:
                    _report(error)
                else:
                    return

    def flush(self, outlet: Outlet) -> None:
        """Write the frames that wait for a client now."""
        # Clear `corked` first: `write` may find the socket full, and call back.
        frames, outlet.corked = outlet.corked, None
        if frames is not None:
            outlet.write(frames[0] if len(frames) == 1 else b"".join(frames))

    def _start_turn(self) -> None:
        if not self._is_busy:
            self._is_busy = True
            self._loop.call_soon(self._end_turn)

    def _end_turn(self) -> None:
        self._is_busy = False
        outlets, self._outlets = self._outlets, []
        self._for_each(outlets, self.flush)

    def _for_each(self, outlets: Iterable[Outlet], write: Callable[[Outlet], None]) -> None:
        """Call `write` with each; one that fails must not keep the frame from the others."""
        left = iter(outlets)
        while True:
            try:
                for outlet in left:
                    write(outlet)
            except Exception as error:
                _report(error)
            else:
                return


def _report(error: Exception) -> None:
    """Log a write that failed; called while `error` is handled."""
    if isinstance(error, RuntimeError):
        # uvloop raises this for a transport whose connection has ended; the loop reports that.
        logger.debug("a frame was not written: %s", error)
    else:
        logger.exception("a frame could not be written")
