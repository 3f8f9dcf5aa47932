"""Mutations: read, compute, write, and again if another writer was first."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from .errors import RevisionMismatch
from .type_variables import T

__all__ = ["Contention", "MapMutator", "MutationPauses", "Mutator", "repeat_until_first"]

W = TypeVar("W")

Mutator = Callable[[T], T | None | Awaitable[T | None]]
"""Called with the data; returns the new data, or None to write nothing. Sync or async."""

MapMutator = Callable[[T | None], T | None | Awaitable[T | None]]
"""As `Mutator`, for an item of a map: called with None if there is no such item."""

MUTATE_PAUSE = 0.01
MUTATE_PAUSE_LIMIT = 0.5
"""First and largest ceiling of the random pause between attempts of `mutate`, in seconds."""


CONTENTION_MEMORY = 1.0
"""Seconds after the last conflict for which writers are taken to contend."""


class Contention:
    """Whether writers contend for an object, as its last mutations showed.

    Where they do, a first try would only be refused: the client asks for its turn instead, and then
    writes once.
    """

    __slots__ = ("_until",)

    def __init__(self) -> None:
        self._until = 0.0

    @property
    def is_likely(self) -> bool:
        """True for some time after a conflict or a turn."""
        return time.monotonic() < self._until

    def record(self, contended: bool) -> None:
        """Record that a write met another one or had to wait for its turn, or that none did."""
        self._until = time.monotonic() + CONTENTION_MEMORY if contended else 0.0


class MutationPauses:
    """Random pauses between the attempts at one mutation."""

    def __init__(self) -> None:
        self._ceiling = 0.0  # a refusal carries the newest state: the first retry needs no pause

    def next(self) -> float:
        """Return the next pause, in seconds."""
        pause = random.uniform(0, self._ceiling)
        self._ceiling = min(self._ceiling * 2 or MUTATE_PAUSE, MUTATE_PAUSE_LIMIT)
        return pause


async def repeat_until_first(attempt: Callable[[], Awaitable[W]], deadline: float) -> W:
    """Repeat a read and a write until no other writer was first.

    Raises:
        RevisionMismatch: other writers were first until `deadline`, in event-loop time.
    """
    clock = asyncio.get_running_loop().time
    pauses = MutationPauses()
    while True:
        try:
            return await attempt()
        except RevisionMismatch:
            if clock() >= deadline:
                raise
        await asyncio.sleep(pauses.next())
