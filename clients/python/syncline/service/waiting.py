"""What waits, in both kinds: the generator of the blocking code exchanges one for the other."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable
from typing import TypeVar

from syncline.errors import UsageError

__all__ = ["async_result", "async_sleep", "result", "sleep"]

T = TypeVar("T")

async_sleep = asyncio.sleep
"""Pause for some seconds."""

sleep = time.sleep
"""Pause for some seconds."""


async def async_result(returned: T | Awaitable[T]) -> T:
    """What a function of the application returned, sync or async."""
    if inspect.isawaitable(returned):
        found: T = await returned
        return found
    return returned


def result(returned: T | Awaitable[T]) -> T:
    """What a function of the application returned. Raises `UsageError` if it is async."""
    if inspect.isawaitable(returned):
        if inspect.iscoroutine(returned):
            returned.close()
        raise UsageError("the function must not be async; AsyncService takes async functions")
    return returned
