"""Finds the worker processes of a server."""

from __future__ import annotations

import asyncio

import psutil

from support.limits import WAIT_LIMIT
from support.server import RunningServer

__all__ = ["WAIT_LIMIT", "until_workers", "workers"]


def workers(server: RunningServer) -> set[int]:
    """The process ids of the workers."""
    return {child.pid for child in psutil.Process(server.process.pid).children() if _works(child)}


def _works(child: psutil.Process) -> bool:
    try:
        return "syncline_server.runtime.worker" in child.cmdline()
    except psutil.Error:
        return False  # the process has ended


async def until_workers(server: RunningServer, gone: set[int]) -> None:
    """Return when two workers run and none of them is in `gone`."""
    async with asyncio.timeout(WAIT_LIMIT):
        while len(now := workers(server)) != 2 or now & gone:
            await asyncio.sleep(0.05)
