"""The part of a run that is about lists, maps and streams."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack

from syncline_tools.verify.direct import Direct
from syncline_tools.verify.history import History
from syncline_tools.verify.proxy import Link
from syncline_tools.verify.shape import Shape

from .client import ItemWriter
from .collection import STREAM
from .direct import ItemDirect
from .observer import STORE, ItemObserver, MakeObserver
from .paging import PagingObserver
from .records import ItemsJoined, ItemsRead
from .sight import ItemSight
from .workload import ItemWorkload

__all__ = ["ItemVerification"]

WRITERS = "items"
"""The wire of the clients that write."""

WIRES: dict[str, Callable[..., ItemObserver]] = {"pages": PagingObserver}
"""The kinds of observers over a link: called with its URL, the service, a token, and `sight`."""

STORE_OBSERVERS = 2
"""Observers at the store itself: a change that one of them misses can be compared."""

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
        """`observers`: make observers that need no link."""
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
        writers = [f"{WRITERS}-{number}" for number in numbers]
        return writers + [f"{wire}-1" for wire in WIRES]

    async def join(self, direct: Direct, links: Mapping[str, Link], stack: AsyncExitStack) -> None:
        """Connect all clients, and make the collections."""
        writers = [
            ItemWriter(name, links[name].url, self._service, self._token, history=self._history)
            for name in self.names()
            if name.startswith(WRITERS)
        ]
        for writer in writers:
            self._history.add(ItemsJoined(at=self._history.now(), client=writer.name, wire=WRITERS))
            stack.push_async_callback(writer.close)
        for wire, make in WIRES.items():
            sight = self._sight(f"{wire}-1")
            url = links[sight.client].url
            observer = make(url, self._service, self._token, sight=sight)
            await self._join_observer(observer, wire, stack)
        for number in range(len(self._makers) * STORE_OBSERVERS):
            make_at_store = self._makers[number // STORE_OBSERVERS]
            observer = make_at_store(self._sight(f"{STORE}-{number + 1}"))
            await self._join_observer(observer, STORE, stack)
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

    def _sight(self, name: str) -> ItemSight:
        return ItemSight(name, self._history, self._changed.set)

    async def _join_observer(
        self, observer: ItemObserver, wire: str, stack: AsyncExitStack
    ) -> None:
        self._history.add(
            ItemsJoined(
                at=self._history.now(),
                client=observer.sight.client,
                wire=wire,
                receives_events=observer.receives_events,
            )
        )
        stack.push_async_callback(observer.close)
        await observer.open()
        self._observers.append(observer)
