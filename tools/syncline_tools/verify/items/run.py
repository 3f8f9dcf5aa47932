"""The part of a run that is about lists, maps and streams."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import TypeVar

from syncline_tools.verify.direct import Direct
from syncline_tools.verify.history import History
from syncline_tools.verify.proxy import Link
from syncline_tools.verify.shape import Shape

from .client import ItemWriter
from .collection import STREAM
from .direct import ItemDirect
from .observer import STORE, ItemObserver, MakeObserver
from .records import ItemsJoined, ItemsRead
from .replica import ReplicaClient
from .rest_sender import RestSender
from .scope import WHOLE, Scope
from .sight import ItemSight
from .wires import OBSERVERS, REST_WRITERS, WRITERS, Wire
from .workload import ItemWorkload

__all__ = ["ItemVerification"]

C = TypeVar("C", bound=ItemObserver)

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
        writers = [f"{kind}-{number}" for kind in (REST_WRITERS, *WRITERS) for number in numbers]
        return writers + [f"{kind}-1" for kind, _ in self._observing()]

    def _observing(self) -> list[tuple[str, Wire[ItemObserver]]]:
        """The kinds of clients that only look, of those that have something to do."""
        return [(kind, wire) for kind, wire in OBSERVERS.items() if wire.types & self._shape.types]

    async def join(self, direct: Direct, links: Mapping[str, Link], stack: AsyncExitStack) -> None:
        """Connect all clients, and make the collections."""
        writers = []
        for number in range(1, self._shape.clients + 1):
            writers.append(self._join_rest_writer(f"{REST_WRITERS}-{number}", links, stack))
            for kind, writing in WRITERS.items():
                name = f"{kind}-{number}"
                client = await self._join_observer(name, writing, links[name], stack)
                writers.append(ItemWriter(name, client, self._history))
        for kind, wire in self._observing():
            name = f"{kind}-1"
            await self._join_observer(name, wire, links[name], stack)
        for number in range(len(self._makers) * STORE_OBSERVERS):
            make_at_store = self._makers[number // STORE_OBSERVERS]
            at_store = make_at_store(self._sight(f"{STORE}-{number + 1}"))
            await self._open(at_store, STORE, stack)
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
        await self._await_agreement(direct)
        for observer in self._observers:
            if isinstance(observer, ReplicaClient):
                for collection in self.workload.collections:
                    observer.show(collection, final=True)

    async def _await_agreement(self, direct: Direct) -> None:
        reader = ItemDirect(direct)
        for _ in range(READINGS):
            readings = await self._read_all(reader)
            try:
                async with asyncio.timeout(self._shape.patience / READINGS):
                    while not self._agree(readings):
                        self._changed.clear()
                        await self._changed.wait()
                return
            except TimeoutError:
                pass

    async def _read_all(self, reader: ItemDirect) -> list[ItemsRead]:
        readings = []
        for collection in self.workload.collections:
            if collection.type == STREAM:
                continue
            began = self._history.now()
            reading = await reader.read(collection)
            assert reading.revision is not None
            final = ItemsRead(
                at=self._history.now(),
                client=None,
                collection=collection.sid,
                began=began,
                revision=reading.revision,
                items=reading.items,
                is_atomic=reading.is_atomic,
                final=True,
            )
            self._history.add(final)
            readings.append(final)
        return readings

    def _agree(self, readings: Sequence[ItemsRead]) -> bool:
        types = {each.sid: each.type for each in self.workload.collections}
        return all(
            observer.sight.agrees(final.collection, final.revision or 0, final.items)
            for observer in self._observers
            for final in readings
            if types[final.collection] in observer.types
        )

    def _sight(
        self, name: str, scope: Scope = WHOLE, kind: type[ItemSight] = ItemSight
    ) -> ItemSight:
        return kind(name, self._history, self._changed.set, scope=scope)

    def _join_rest_writer(
        self, name: str, links: Mapping[str, Link], stack: AsyncExitStack
    ) -> ItemWriter:
        sender = RestSender(links[name].url, self._service, self._token)
        stack.push_async_callback(sender.close)
        self._history.add(ItemsJoined(at=self._history.now(), client=name, wire=REST_WRITERS))
        return ItemWriter(name, sender, self._history)

    async def _join_observer(
        self, name: str, wire: Wire[C], link: Link, stack: AsyncExitStack
    ) -> C:
        sight = self._sight(name, wire.scope, wire.sight)
        observer = wire.make(link.url, self._service, self._token, sight=sight)
        await self._open(observer, wire.name, stack)
        return observer

    async def _open(self, observer: ItemObserver, wire: str, stack: AsyncExitStack) -> None:
        sight = observer.sight
        self._history.add(
            ItemsJoined(
                at=self._history.now(),
                client=sight.client,
                wire=wire,
                receives_events=observer.receives_events,
                prefix=sight.scope.prefix,
                keys=sight.scope.keys,
            )
        )
        stack.push_async_callback(observer.close)
        await observer.open()
        self._observers.append(observer)
