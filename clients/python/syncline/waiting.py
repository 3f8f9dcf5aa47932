"""Waits until the data of an object is as an application wants it."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from .errors import UsageError

__all__ = ["deadline", "is_met"]

V = TypeVar("V")


def is_met(predicate: Callable[[V], object], value: V) -> bool:
    """Call a predicate.

    Raises:
        UsageError: it is async.
    """
    result = predicate(value)
    if inspect.isawaitable(result):
        if inspect.iscoroutine(result):
            result.close()
        raise UsageError("the predicate of wait_for must be a sync function: it is called often")
    return bool(result)


@asynccontextmanager
async def deadline(timeout: float | None, what: str) -> AsyncIterator[None]:
    """Raise TimeoutError after `timeout` seconds; None waits without end.

    Args:
        what: names the object, for the text of the error.
    """
    limit = asyncio.timeout(timeout)
    try:
        async with limit:
            yield
    except TimeoutError:
        if not limit.expired():
            raise
        raise TimeoutError(f"{what} did not become as awaited within {timeout:g} s") from None
