"""Queue of the event loop's work: requests are computed in slices, in the order of their arrival.

A unit is about a microsecond. Work is estimated before it is done, by counting the values it will
touch; no clock is read. Work that fits into the slice of this loop turn is done at once. The rest
waits in a queue, so that the loop reads sockets and runs timers between two slices, however many
requests come at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine, Hashable
from typing import Any

from syncline_protocol import jsondata
from syncline_protocol.documents import Increment, MergePatch, OperationsPatch, PatchBody
from syncline_protocol.errors import Refusal
from syncline_server.auth.identity_limit import IdentityLimit

from .json_patch import POINTER_STEPS

__all__ = [
    "SLICE",
    "SMALL_MESSAGE",
    "WorkAllowance",
    "WorkQueue",
    "work_of_form",
    "work_of_json",
    "work_of_patch",
    "work_on_data",
]

SLICE = 3_000
"""Units in one turn of the loop; a single piece of work may exceed it."""

SMALL_MESSAGE = 2_048
"""Bytes up to which a message is parsed without counting its work: at most about 0.2 ms."""


def work_of_json(text: str | bytes) -> int:
    """Units of parsing JSON that a client sent."""
    return 1 + jsondata.values_in(text) // 4 + (len(text) >> 8)


def work_of_form(body: bytes) -> int:
    """Units of parsing a form and the JSON in it."""
    return 1 + (len(body) >> 5)


def work_of_patch(body: PatchBody) -> int:
    """Units of applying a patch, without the units of its data (`work_on_data`)."""
    match body:
        case OperationsPatch(operations):
            names = sum(str(each.get("path")).count("/") for each in operations if _is_object(each))
            return 1 + (len(operations) * (POINTER_STEPS + 8) + 2 * names) // 10
        case Increment(by):
            return 1 + 2 * len(by)
        case MergePatch(patch):
            return 1 + len(patch) // 4


def work_on_data(size: int) -> int:
    """Units of parsing, checking and encoding the data of a document of `size` bytes."""
    return 1 + (size >> 8)


class WorkQueue:
    """The work of one process that waits for a slice."""

    def __init__(self, slice_units: int = SLICE) -> None:
        self._slice = slice_units
        self._spent = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def spend(self, units: int) -> bool:
        """True if the work may be done at once; False if it has to wait for a slice."""
        # While others wait, new work queues behind them, even if it would fit.
        if self._waiting or (self._spent and self._spent + units > self._slice):
            return False
        if not self._spent:
            asyncio.get_running_loop().call_soon(self._begin_slice)
        self._spent += units
        return True

    async def turn(self, units: int) -> None:
        """Return when the work may be done, in the order of the calls."""
        if self.spend(units):
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((units, future))
        await future

    def _begin_slice(self) -> None:
        """Start the slice of another loop turn, with the work that has waited longest."""
        self._spent = 0
        while self._waiting:
            units, future = self._waiting[0]
            if future.done():  # cancelled
                self._waiting.popleft()
                continue
            if self._spent and self._spent + units > self._slice:
                break
            self._waiting.popleft()
            self._spent += units
            future.set_result(None)
        if self._spent:
            asyncio.get_running_loop().call_soon(self._begin_slice)


class WorkAllowance:
    """The work of one caller."""

    __slots__ = ("_caller", "_limit", "_queue")

    def __init__(self, queue: WorkQueue, limit: IdentityLimit | None, caller: Hashable) -> None:
        """
        Args:
            limit: counts the caller's work in units; None for a caller without a limit.
        """
        self._queue = queue
        self._limit = limit
        self._caller = caller

    def charge(self, units: int) -> Refusal | None:
        """Count work. Returns the refusal if the caller makes too much, else None."""
        return None if self._limit is None else self._limit.charge(self._caller, units)

    def take(self, units: int) -> None:
        """Count work. Raises `RATE_LIMITED` if the caller makes too much."""
        refusal = self.charge(units)
        if refusal is not None:
            raise refusal

    async def wait(self, units: int) -> None:
        """Count work, and return when it may be done. Raises as `take`."""
        self.take(units)
        await self._queue.turn(units)

    def begin(self, units: int) -> Coroutine[Any, Any, None] | None:
        """As `wait`, but a caller that makes too much waits for its next second.

        Returns:
            None if the work may be done at once, else a coroutine that returns when it may.
        """
        if self.charge(units) is not None:
            return self._wait_in_time(units)
        return None if self._queue.spend(units) else self._queue.turn(units)

    async def _wait_in_time(self, units: int) -> None:
        assert self._limit is not None
        while True:
            await asyncio.sleep(self._limit.rest())
            if self.charge(units) is None:
                return await self._queue.turn(units)


def _is_object(value: object) -> bool:
    return isinstance(value, dict)
