"""Calls of one turn of the event loop that ask the same of Redis share one reply.

Very many clients open one object at the same time when a server has restarted. A reply counts for
all that asked before the command was sent: it is as new as each of them may expect.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

__all__ = ["SharedCalls"]

T = TypeVar("T")


class _Call:
    """A call whose command may not have been sent yet, and those that wait for its reply."""

    __slots__ = ("turn", "waiting")

    def __init__(self, turn: int) -> None:
        self.turn = turn
        self.waiting: list[asyncio.Future[Any]] = []


class SharedCalls:
    """The calls of one process."""

    def __init__(self, turn: Callable[[], int]) -> None:
        """`turn`: changes each time that commands are sent to Redis."""
        self._turn = turn
        self._calls: dict[Hashable, _Call] = {}

    async def first(self, key: Hashable, call: Callable[[], Awaitable[T]]) -> tuple[T, bool]:
        """The reply of `call`, and True; or of one with the same key, and False.

        The key must name everything that the reply depends on. A call that fails is not shared:
        those that waited for it make their own.
        """
        shared = self._calls.get(key)
        if shared is not None and shared.turn == self._turn():
            waiter = asyncio.get_running_loop().create_future()
            shared.waiting.append(waiter)
            found: tuple[T] | None = await waiter
            return (await call(), True) if found is None else (found[0], False)
        shared = self._calls[key] = _Call(self._turn())
        found = None
        try:
            reply = await call()
            found = (reply,)
        finally:
            if self._calls.get(key) is shared:
                del self._calls[key]
            for waiter in shared.waiting:
                if not waiter.done():  # its client may have left
                    waiter.set_result(found)
        return reply, True
