"""Queue of the `mutate` calls of one document or item."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import TypeVar

from .errors import RevisionMismatch, UsageError
from .header import JsonObject

__all__ = ["MutationQueue", "Mutator", "repeat_until_first"]

T = TypeVar("T")

Mutator = Callable[[JsonObject], JsonObject | None | Awaitable[JsonObject | None]]
"""Called with the data; returns the new data, or None to write nothing. Sync or async."""

MUTATE_PAUSE = 0.01
MUTATE_PAUSE_LIMIT = 0.5
"""First and largest ceiling of the random pause between attempts of `mutate`, in seconds."""

_running: ContextVar[frozenset[object]] = ContextVar("syncline_mutations", default=frozenset())
"""Marks of the mutations that the running code is inside of, in tasks that it started too."""


class MutationQueue:
    """Runs the mutations of one document or item one at a time, so that they do not conflict.

    A mutator that awaits another mutation of the same one would wait for itself: that call is
    refused.
    """

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._mark: object | None = None  # of the mutation that has the lock

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for the mutations before this one, and run it.

        Raises:
            UsageError: the caller runs inside a mutation of the same document or item.
        """
        if self._mark in _running.get():
            raise UsageError(
                "mutate was called inside mutate of the same document or item, "
                "which would wait for itself"
            )
        async with self._lock:
            mark = self._mark = object()
            token = _running.set(_running.get() | {mark})
            try:
                yield
            finally:
                # Code that outlives the mutation, such as a task, may call `mutate` from now on.
                self._mark = None
                _running.reset(token)


async def repeat_until_first(attempt: Callable[[], Awaitable[T]], deadline: float) -> T:
    """Repeat a read and a write until no other writer was first.

    Raises:
        RevisionMismatch: other writers were first until `deadline`, in event-loop time.
    """
    clock = asyncio.get_running_loop().time
    ceiling = 0.0  # a refusal carries the newest state: the first retry needs no pause
    while True:
        try:
            return await attempt()
        except RevisionMismatch:
            if clock() >= deadline:
                raise
        await asyncio.sleep(random.uniform(0, ceiling))
        ceiling = min(ceiling * 2 or MUTATE_PAUSE, MUTATE_PAUSE_LIMIT)
