"""Work of the event loop, in slices: what requests make a process compute, and in which order.

A unit is about a microsecond. Work is estimated before it is done, by counting what it will touch;
no clock is asked. What fits into the slice of this turn of the loop is done at once. The rest waits
in line, so that sockets are read and timers run between two slices, however much comes at once.
"""

from __future__ import annotations

import asyncio
from collections import deque

from syncline_protocol import jsondata
from syncline_protocol.commands import Increment, MergePatch, OperationsPatch, PatchBody

from .json_patch import POINTER_STEPS

__all__ = [
    "SLICE",
    "SMALL_MESSAGE",
    "WorkQueue",
    "work_of_form",
    "work_of_json",
    "work_of_patch",
    "work_on_data",
]

SLICE = 4_000
"""Units of one turn of the loop; a single piece of work may be longer."""

SMALL_MESSAGE = 2_048
"""Bytes of a message that is parsed without being counted: at most some 0.2 ms."""


def work_of_json(text: str | bytes) -> int:
    """Units of parsing a text that a stranger sent."""
    return 1 + jsondata.values_in(text) // 4 + (len(text) >> 7)


def work_of_form(body: bytes) -> int:
    """Units of taking a form apart, and of parsing the JSON in it."""
    return 1 + (len(body) >> 5)


def work_of_patch(body: PatchBody) -> int:
    """Units of applying a patch, without those of the data that it is applied to."""
    match body:
        case OperationsPatch(operations):
            names = sum(str(each.get("path")).count("/") for each in operations if _is_object(each))
            return 1 + (len(operations) * (POINTER_STEPS + 8) + 2 * names) // 10
        case Increment(by):
            return 1 + 2 * len(by)
        case MergePatch(patch):
            return 1 + len(patch) // 4


def work_on_data(size: int) -> int:
    """Units of parsing, writing and checking the data of a document."""
    return 1 + (size >> 6)


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
        """Another turn of the loop: who waits longest comes first."""
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


def _is_object(value: object) -> bool:
    return isinstance(value, dict)
