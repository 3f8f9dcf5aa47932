"""Ends a program as an exception would, so that the processes that it started end too."""

from __future__ import annotations

import signal
import sys
from types import FrameType

__all__ = ["end_on_sigterm"]


def end_on_sigterm() -> None:
    """Let SIGTERM, of `timeout` for example, leave all `with` blocks."""

    def end(number: int, _: FrameType | None) -> None:
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, end)
