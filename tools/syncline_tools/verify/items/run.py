"""The part of a run that is about lists, maps and streams."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial

from syncline_tools.verify.direct import Direct
from syncline_tools.verify.history import History
from syncline_tools.verify.proxy import Link
from syncline_tools.verify.shape import Shape

from .client import ItemWriter
from .collection import STREAM
from .direct import ItemDirect
from .observer import EVENTS, ItemObserver, MakeObserver
from .paging import PagingObserver
from .records import ItemsJoined, ItemsRead
from .sight import ItemSight
from .workload import ItemWorkload

__all__ = ["ItemVerification"]

WRITERS, PAGES = "items", "pages"
"""How the clients of these two wires are called."""

EVENT_OBSERVERS = 2
"""Observers of events, so that a change that one of them misses can be compared."""

READINGS = 3
"""Times that the final state is read: what was under way may still change it."""


class ItemVerification:
    """Everything of the items of one run."""

    def __init__(
        self,
        service: str,
        token: Callable[[], str],
        shape: Shape,
        *,
        history: History,
        observers: Sequence[MakeObserver] = (),
    ) -> None:
        """`observers`: make the observers of events, one of each of their wires."""
        self._service = service
        self._token = token
        self._shape = shape
        self._history = history
        self._makers = observers
        self._changed = asyncio.Event()
        self._observers: list[ItemObserver] = []
        self.workload: ItemWorkload

    def names(self) -> list[str]:
        """Of the clients that need a link."""
        numbers = range(1, self._shape.clients + 1)
        return [f"{WRITERS}-{number}" for number in numbers] + [f"{PAGES}-1"]

    async def join(self, direct: Direct, links: Mapping[str, Link], stack: AsyncExitStack) -> None:
        """Connect all clients, and make the collections."""
        writers = [
            ItemWriter(name, links[name].url, self._service, self._token, history=self._history)
            for name in self.names()
            if name.startswith(WRITERS)
        ]
        for writer in writers:
            self._record(writer.name, WRITERS)
            stack.push_async_callback(writer.close)
        pages = f"{PAGES}-1"
        make = partial(PagingObserver, links[pages].url, self._service, self._token)
        await self._join_observer(pages, PAGES, lambda sight: make(sight=sight), stack)
        for wire, maker in enumerate(self._makers):
            for number in range(1, EVENT_OBSERVERS + 1):
                name = f"{EVENTS}-{wire * EVENT_OBSERVERS + number}"
                await self._join_observer(name, EVENTS, maker, stack)
        self.workload = ItemWorkload(
            self._shape,
            self._history,
            ItemDirect(direct),
            writers=writers,
            observers=self._observers,
        )

    async def clean_up(self, direct: Direct) -> None:
        """Remove the collections."""
        await self.workload.end()
        for collection in self.workload.collections:
            await ItemDirect(direct).remove(collection)

    async def converge(self, direct: Direct) -> None:
        """Wait until all have seen the final state, or for so long as they may take."""
        reader = ItemDirect(direct)
        for _ in range(READINGS):
            revisions = await self._read_all(reader)
            try:
                async with asyncio.timeout(self._shape.patience / READINGS):
                    while not self._agree(revisions):
                        self._changed.clear()
                        await self._changed.wait()
                return
            except TimeoutError:
                pass

    async def _read_all(self, reader: ItemDirect) -> dict[str, int]:
        revisions = {}
        for collection in self.workload.collections:
            if collection.type == STREAM:
                continue
            began = self._history.now()
            reading = await reader.read(collection)
            assert reading.revision is not None
            self._history.add(
                ItemsRead(
                    at=self._history.now(),
                    client=None,
                    collection=collection.sid,
                    began=began,
                    revision=reading.revision,
                    items=reading.items,
                    is_atomic=reading.is_atomic,
                    final=True,
                )
            )
            revisions[collection.sid] = reading.revision
        return revisions

    def _agree(self, revisions: Mapping[str, int]) -> bool:
        return all(
            observer.sight.agrees(collection, revision)
            for observer in self._observers
            for collection, revision in revisions.items()
        )

    async def _join_observer(
        self, name: str, wire: str, make: MakeObserver, stack: AsyncExitStack
    ) -> None:
        self._record(name, wire)
        observer = make(ItemSight(name, self._history, self._changed.set))
        stack.push_async_callback(observer.close)
        await observer.open()
        self._observers.append(observer)

    def _record(self, name: str, wire: str) -> None:
        self._history.add(ItemsJoined(at=self._history.now(), client=name, wire=wire))
