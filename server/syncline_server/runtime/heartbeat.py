"""Heartbeats of a worker to its supervisor, once a second, with the worker's problems."""

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
"""Seconds between heartbeats of a worker with problems, so that the supervisor soon learns that it
is ready."""

PROBLEM_LENGTH = 300
"""Maximum characters of a problem: a whole line must fit into a pipe's buffer."""


async def send_heartbeats(output: int, problems: Callable[[], Mapping[str, str]]) -> None:
    """Write a line to a pipe each `INTERVAL`, until the task is cancelled.

    It runs in the event loop that serves: if that loop hangs, the heartbeats stop.
    """
    os.set_blocking(output, False)
    while True:
        lacking = problems()
        line = orjson.dumps({name: text[:PROBLEM_LENGTH] for name, text in lacking.items()})
        # A suspended supervisor does not read; the worker must not block on the full pipe.
        with suppress(BlockingIOError, BrokenPipeError):
            os.write(output, line + b"\n")
        await asyncio.sleep(WAITING_INTERVAL if lacking else INTERVAL)


def decode(line: bytes) -> dict[str, str]:
    """The problems in a heartbeat; none for a truncated line."""
    try:
        problems: dict[str, str] = orjson.loads(line)
    except ValueError:
        return {}
    return problems
