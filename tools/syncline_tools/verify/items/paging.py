"""An observer that reads all items again and again, over REST, through one link."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count

from .collection import LIST, MAP, Collection
from .operation import Refused
from .reading import PAGE_SIZE, read_items
from .rest import Rest
from .sight import ItemSight

__all__ = ["PagingObserver"]

READ_INTERVAL = 0.5
"""Seconds between two readings of one collection."""

SMALL_PAGE = 7
"""Items on a page where the walk over several pages is to be seen: every third reading."""


class PagingObserver:
    """Sees states, and no events."""

    receives_events = False
    types = frozenset({LIST, MAP})

    def __init__(
        self, url: str, service: str, token: Callable[[], str], *, sight: ItemSight
    ) -> None:
        """`url`: of the link."""
        self.sight = sight
        self._rest = Rest(url, service, token)
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """As of `ItemObserver`."""
        self.sight.connect()

    async def close(self) -> None:
        """As of `ItemObserver`."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._rest.close()

    async def follow(self, collection: Collection) -> None:
        """As of `ItemObserver`."""
        self._tasks.append(asyncio.create_task(self._read_on(collection)))

    async def try_replay(self, collection: Collection) -> None:
        """As of `ItemObserver`: nothing."""

    async def _read_on(self, collection: Collection) -> None:
        for number in count(1):
            size = PAGE_SIZE if number % 3 else SMALL_PAGE
            began = self.sight.now()
            try:
                reading = await read_items(self._rest.get, collection, size)
            except Refused:
                return
            self.sight.read(collection.sid, began, reading)
            await asyncio.sleep(READ_INTERVAL)
