"""Calls of one turn of the event loop that ask the same of Redis share one reply.

Very many clients open one object at the same time when a server has restarted. A reply counts for
all that asked before the command was sent: it is as new as each of them may expect.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable
from functools import partial
from typing import Any, TypeVar

from syncline_server.observability.tasks import TaskSet

__all__ = ["SharedCalls"]

logger = logging.getLogger("syncline.store")

T = TypeVar("T")


class _Call:
    """A call whose command may not have been sent yet, and those that wait for its reply.

    They receive the reply in a tuple, or None if there is none.
    """

    __slots__ = ("turn", "waiting")

    def __init__(self, turn: int) -> None:
        self.turn = turn
        self.waiting: list[Callable[[tuple[Any] | None], None]] = []


class SharedCalls:
    """The calls of one process."""

    def __init__(self, turn: Callable[[], int]) -> None:
        """`turn`: changes each time that commands are sent to Redis."""
        self._turn = turn
        self._calls: dict[Hashable, _Call] = {}
        self._tasks = TaskSet()

    async def first(self, key: Hashable, call: Callable[[], Awaitable[T]]) -> tuple[T, bool]:
        """The reply of `call`, and True; or of one with the same key, and False.

        The key must name everything that the reply depends on. A call that fails is not shared:
        those that waited for it make their own.
        """
        shared = self._find(key)
        if shared is None:
            return await self._run(key, self._begin(key), call), True
        waiter: asyncio.Future[tuple[T] | None] = asyncio.get_running_loop().create_future()
        shared.waiting.append(partial(_settle, waiter))
        found = await waiter
        return (await call(), True) if found is None else (found[0], False)

    def ask(
        self,
        key: Hashable,
        call: Callable[[], Awaitable[T]],
        done: Callable[[tuple[T, bool] | Exception | None], None],
    ) -> None:
        """As `first`, without a task for each caller: `done` is called once, later.

        It receives what `first` returns or, if the own call failed, its error; None if the call of
        another caller failed. It must not block.
        """
        shared = self._find(key)
        if shared is None:
            self._tasks.spawn(self._ask(key, self._begin(key), call, done))
        else:
            shared.waiting.append(lambda found: done(found and (found[0], False)))

    def _find(self, key: Hashable) -> _Call | None:
        """The call with this key, unless its command may have been sent."""
        shared = self._calls.get(key)
        return shared if shared is not None and shared.turn == self._turn() else None

    def _begin(self, key: Hashable) -> _Call:
        shared = self._calls[key] = _Call(self._turn())
        return shared

    async def _run(self, key: Hashable, shared: _Call, call: Callable[[], Awaitable[T]]) -> T:
        found = None
        try:
            reply = await call()
            found = (reply,)
        finally:
            if self._calls.get(key) is shared:
                del self._calls[key]
            for waiting in shared.waiting:
                try:
                    waiting(found)
                except Exception:
                    # One failing caller must not keep the reply from the others.
                    logger.exception("a reply of the store could not be handed on")
        return reply

    async def _ask(
        self,
        key: Hashable,
        shared: _Call,
        call: Callable[[], Awaitable[T]],
        done: Callable[[tuple[T, bool] | Exception | None], None],
    ) -> None:
        try:
            outcome: tuple[T, bool] | Exception = (await self._run(key, shared, call), True)
        except Exception as error:
            outcome = error
        done(outcome)


def _settle(waiter: asyncio.Future[Any], found: tuple[Any] | None) -> None:
    if not waiter.done():  # its client may have left
        waiter.set_result(found)
