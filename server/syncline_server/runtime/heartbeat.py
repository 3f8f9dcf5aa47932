"""What a worker says to its supervisor, once a second: that it lives, and what it lacks."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from contextlib import suppress

import orjson

__all__ = ["INTERVAL", "decode", "send_heartbeats"]

INTERVAL = 1.0
"""Seconds between heartbeats of a worker."""

WAITING_INTERVAL = 0.05
"""The same while it lacks something, so that its supervisor knows at once when it is ready."""

PROBLEM_LENGTH = 300
"""Characters of a problem that are sent: a line must fit a pipe's buffer whole."""


async def send_heartbeats(output: int, problems: Callable[[], Mapping[str, str]]) -> None:
    """Write a line each `INTERVAL` to a pipe, until the task is cancelled.

    A task of the event loop that serves: where that hangs, no line comes.
    """
    os.set_blocking(output, False)
    while True:
        lacking = problems()
        line = orjson.dumps({name: text[:PROBLEM_LENGTH] for name, text in lacking.items()})
        # A supervisor that is stopped does not read: its worker must not wait for it.
        with suppress(BlockingIOError, BrokenPipeError):
            os.write(output, line + b"\n")
        await asyncio.sleep(WAITING_INTERVAL if lacking else INTERVAL)


def decode(line: bytes) -> dict[str, str]:
    """The problems in a heartbeat; none in a line that was cut short."""
    try:
        problems: dict[str, str] = orjson.loads(line)
    except ValueError:
        return {}
    return problems
