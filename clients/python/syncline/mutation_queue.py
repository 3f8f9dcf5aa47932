"""Queue of the `mutate` calls of one document or item."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar

from .errors import UsageError

__all__ = ["MutationQueue"]

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
