"""Write coalescing: the frames for one client in one turn of the event loop leave in one write.

The loop's transports write at once, which is best for a single frame. Under load, frames come in
bursts, and a write costs more than everything else that is done for a frame.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeVar

from .outlets import Calls, choose
from .plain_outlets import FRAMES_LIMIT

__all__ = ["Cork", "Corked"]

logger = logging.getLogger("syncline.cork")

_T = TypeVar("_T")


class Corked(Protocol):
    """The sending end of one client's connection: an `Outlet`, or what takes its place.

    Attributes:
        corked: the frames that wait for the end of this turn; None if there are none.
    """

    corked: list[bytes] | None

    @property
    def write(self) -> Callable[[bytes], Any]:
        """Sends bytes to the client; must not block."""


class Cork:
    """Collects frames until the turn of the loop ends. Needs a running loop.

    Attributes:
        calls: write the frames; outlets must be of their class to be written past the transports.
    """

    def __init__(self, calls: Calls | None = None) -> None:
        """`calls`: how frames are written; None for the best way."""
        self.calls = calls or choose("auto")
        self._loop = asyncio.get_running_loop()
        self._outlets: list[Corked] = []
        self._is_busy = False

    def add_frame(self, outlet: Corked, frame: bytes) -> None:
        """Write a frame together with the client's others of this turn."""
        if outlet.corked is None:
            outlet.corked = [frame]
            self._outlets.append(outlet)
            self._start_turn()
        else:
            outlet.corked.append(frame)
            if len(outlet.corked) >= FRAMES_LIMIT:
                self.flush(outlet)

    def write_to_all(self, outlets: dict[Any, Corked], frame: bytes) -> None:
        """Write a frame to many clients, by any key: at once if it is the first of this turn.

        `outlets` may change meanwhile: a write may find a socket full, and take it off.
        """
        if self._is_busy:
            left = self.calls.cork_all(outlets, frame, self._outlets)
            _for_each(left, lambda outlet: self.add_frame(outlet, frame))
        else:
            # No outlet has a frame that waits, so this one overtakes none. Later frames of the turn
            # are corked.
            self._start_turn()
            # Not by `_for_each`: a call more for each subscriber would show where all are left.
            rests = iter(self.calls.send_to_all(outlets, frame))
            while True:
                try:
                    for outlet, rest in rests:
                        outlet.write(rest)
                except Exception as error:
                    _report(error)
                else:
                    return

    def flush(self, outlet: Corked) -> None:
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
        _for_each(self.calls.flush_all(outlets), self.flush)


def _for_each(given: Iterable[_T], write: Callable[[_T], object]) -> None:
    """Call `write` with each; one that fails must not keep the frame from the others."""
    left = iter(given)
    while True:
        try:
            for each in left:
                write(each)
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
