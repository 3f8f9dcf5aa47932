"""Live replica: all items of a list or map, or of a part, kept in memory and current."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from syncline_protocol.backoff import Backoff
from syncline_protocol.errors import Code

from .collection_callbacks import CollectionCallbacks
from .collection_listener import Listener
from .collection_subscription import CollectionSubscription
from .display import Shown, shorten
from .emitter import Emitter
from .errors import (
    ClientClosed,
    HandleClosed,
    NotFound,
    RequestError,
    RequestTimeout,
    SynclineError,
)
from .header import JsonObject
from .item import Item
from .item_events import (
    COLLECTION_EVENTS,
    CollectionEvent,
    ItemAdded,
    ItemEvent,
    ItemRemoved,
    ItemUpdated,
    Reset,
    merge_collection_event,
)
from .listening import as_model
from .model_data import ModelData
from .open_objects import OpenObjects
from .part import KEYS_LIMIT, Part
from .replica_items import ReplicaItems
from .transport import Receive
from .type_variables import Defaulted, K, T
from .waiting import deadline, is_met

__all__ = ["PAGE_LIMIT", "Replica"]

logger = logging.getLogger("syncline")

W = TypeVar("W")

PAGE_LIMIT = 500
"""Number of items that are read at once, which is the most that the server allows."""


class Replica(Defaulted, CollectionCallbacks[T, K], Mapping[K, Item[T, K]], Shown, Generic[T, K]):
    """The items of a list or map, or of a part, in memory: a mapping of keys to items.

    Reads are synchronous. The replica follows every change, also over breaks of the connection::

        async with players.replica() as replica:
            print(replica["alice"].data, len(replica))
            async for event in replica.events():
                ...

    `async with` waits until all items are read; so does `await replica.ready()`. Before that,
    `complete` is False, and the replica has only some items. Events are those of the list or map,
    and only differences: what the first reading finds is not announced. After `Reset`, the
    differences that the replica then finds follow as events.
    """

    def __init__(
        self,
        objects: OpenObjects,
        subscription: CollectionSubscription,
        part: Part,
        *,
        data: ModelData[T],
        opened: JsonObject | None = None,
    ) -> None:
        """Applications call `replica` of a list or map instead.

        `opened`: the reply to an `open` of this part, with a first page; None to ask for the page.
        """
        self._objects = objects
        self._subscription = subscription
        self._part = part
        self._model = data
        self._events: Emitter[CollectionEvent[T, K]] = Emitter(
            COLLECTION_EVENTS,
            objects.options.event_queue,
            merge_collection_event,
            convert=as_model(data.codec),
        )
        self._items: ReplicaItems[K] = ReplicaItems(self._events.emit)
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._closed = False
        self._since = 0  # revision up to which all changes have come, as of the last message
        self._listener = Listener(part=part, emit=self._take, end=self._end, replica=self)
        subscription.attach(self._listener)
        self._checking: asyncio.Task[None] | None = None
        # No event comes between the reply to `open` and this, so the page is as new as it says.
        after = None if opened is None else self._take_page(opened)
        self._reading = asyncio.create_task(self._read_all(after))

    def __repr__(self) -> str:
        state = "complete" if self.complete else "incomplete"
        return f"<Replica of {self._subscription.sid}: {len(self)} items, {state}>"

    def _rows(self) -> Iterator[tuple[object, str]]:
        return ((key, shorten(item.json)) for key, item in self._items.items.items())

    def __getitem__(self, key: K) -> Item[T, K]:
        return self._model.item(self._items.items[key])

    def __iter__(self) -> Iterator[K]:
        """The keys, in their order."""
        return iter(list(self._items.keys))

    def __len__(self) -> int:
        return len(self._items.items)

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__

    @property
    def complete(self) -> bool:
        """True while the replica has all items. False until they are read, and after a reset."""
        return self._items.complete

    @property
    def repairs(self) -> int:
        """How often changes were requested again because a delta of the server could not be used.

        Each costs a round trip, and nothing else. Many of them point to a defect.
        """
        return self._subscription.repairs

    async def ready(self) -> None:
        """Wait until all items are read, for the first time or after a reset.

        Raises:
            NotFound: the list or map was removed.
            SynclineError: the replica or the client was closed, or is permanently disconnected.
        """
        self._objects.check_loop()
        await asyncio.shield(self._ready)

    async def wait_for(
        self, predicate: Callable[[Self], object], *, timeout: float | None = None
    ) -> Self:
        """Wait until the items are as wanted: `await replica.wait_for(lambda r: len(r) == 3)`.

        Args:
            predicate: a sync function, called with the replica once all items are read, and after
                each event, until its result is true.
            timeout: seconds; None waits without end.

        Returns:
            the replica.

        Raises:
            TimeoutError: `timeout` has passed.
            NotFound: the list or map was removed.
            HandleClosed, ClientClosed, ConnectionLost, Unauthorized: no event follows.
        """
        if self._closed:
            raise HandleClosed
        events = self.events()
        async with deadline(timeout, "the replica"):
            await self.ready()
            if is_met(predicate, self):
                return self
            async for _ in events:
                if is_met(predicate, self):
                    return self
        if self._closed:
            raise HandleClosed
        if self._subscription.removed:
            raise NotFound.local(Code.NOT_FOUND, "It was removed.")
        raise ClientClosed

    async def close(self) -> None:
        """Stop following the changes; the items stay as they are. Safe to repeat."""
        self._objects.check_loop()
        if not self._closed:
            self._closed = True
            self._events.close()
            self._stop(HandleClosed())
            self._subscription.detach(self._listener)
            await self._objects.release(self._subscription)

    @property
    def takes_deltas(self) -> bool:
        """As in `ReplicaListener`."""
        return self._objects.options.deltas

    def known(self, key: K) -> Item[Any, K] | None:
        """What a delta of an item begins from; as in `ReplicaListener`."""
        return self._items.known(key)

    def show(self, event: ItemEvent[Any, K]) -> None:
        """Process an own write at its reply; as in `ReplicaListener`."""
        self._items.show(event)

    def confirm(self, orders: Mapping[K, int], since: int, complete_to: int | None) -> None:
        """Process that a message has named items; as in `ReplicaListener`."""
        self._items.confirm(orders, complete_to)
        self._since = since
        if self._checking is None and self._items.suspects(since):
            self._checking = asyncio.create_task(self._check())

    async def read_written(self, keys: Sequence[K]) -> None:
        """Read items that this client has written; as in `ReplicaListener`."""

        def take(ok: JsonObject) -> None:
            for each in ok["items"]:
                self._items.show_written(Item.parse(each), self._subscription.since)

        try:
            await self._request(take, {self._subscription.keys_name: sorted(keys)})
        except SynclineError as error:
            # The write was applied. Its event brings the item.
            logger.info("%s could not be read: %s", self._subscription.sid, error)

    async def __aenter__(self) -> Self:
        try:
            await self.ready()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def _take(self, event: CollectionEvent[Any, K]) -> None:
        if isinstance(event, ItemAdded | ItemUpdated | ItemRemoved):
            self._items.apply(event)
            return
        self._events.emit(event)
        if isinstance(event, Reset):
            # A page that was asked for before the reset is discarded (rule C26).
            self._reading.cancel()
            self._items.reset()
            if self._ready.done():
                self._ready = asyncio.get_running_loop().create_future()
            self._reading = asyncio.create_task(self._read_all())

    def _end(self, error: Exception | None) -> None:
        self._events.end(error)
        self._stop(error or NotFound.local(Code.NOT_FOUND, "It was removed."))

    def _stop(self, error: Exception) -> None:
        self._reading.cancel()
        if self._checking is not None:
            self._checking.cancel()
        if not self._ready.done():
            self._ready.set_exception(error)
            self._ready.exception()

    async def _read_all(self, after: K | None = None) -> None:
        """Read all pages, those behind the key `after`; retry each until it is there."""
        backoff = Backoff(
            self._objects.options.backoff_initial, self._objects.options.backoff_limit
        )
        while not self._items.complete:
            try:
                if after is None and self._could_use_deltas:
                    after = await self._open_page()
                    continue
                if self._subscription.is_lost:
                    # The replica's part is greater than what the server sends.
                    await self._objects.reopen(self._subscription)
                    continue
                after = await self._read_page(after)
            except (RequestTimeout, RequestError) as error:
                logger.warning("%s could not be read: %s", self._subscription.sid, error)
                await asyncio.sleep(backoff.pause())
            except SynclineError:
                return  # permanently disconnected: `_end` follows

    @property
    def _could_use_deltas(self) -> bool:
        return self._objects.has_deltas and self._subscription.could_use_deltas(self._part)

    async def _open_page(self) -> K | None:
        """Open the collection with deltas and with the first page; return as `_read_page`."""
        me = asyncio.current_task()
        after: list[K | None] = []

        def take(ok: JsonObject) -> None:
            # After a reset the pages are read again (rule C26).
            if self._reading is me and "items" in ok and not ok.get("reset"):
                after.append(self._take_page(ok))

        self._items.ask()
        await self._objects.reopen(self._subscription, page={"limit": PAGE_LIMIT}, take=take)
        return after[0] if after else None

    def _take_page(self, ok: JsonObject) -> K | None:
        """Process a page; return its last key if items follow."""
        self._items.read([Item.parse(each) for each in ok["items"]], self._subscription.since)
        following: K | None = ok["next"]
        if following is None:
            # Over REST a page has no revision.
            order = int(ok[self._subscription.type]["revision"])
            self._items.finish(max(order, self._subscription.since))
            if not self._ready.done():
                self._ready.set_result(None)
        return following

    async def _read_page(self, after: K | None) -> K | None:
        """Read one page; return its last key if items follow."""
        me = asyncio.current_task()

        def take(ok: JsonObject) -> K | None:
            # A reset may have come after this task was cancelled, but before it ended.
            return self._take_page(ok) if self._reading is me else None

        self._items.ask()
        part = self._part.members(self._subscription.keys_name)
        return await self._request(take, {"after": after, **part})

    async def _check(self) -> None:
        """Read the items that may have been removed without an event."""
        try:
            while suspects := self._items.suspects(self._since)[:KEYS_LIMIT]:

                def take(ok: JsonObject, asked: list[K] = suspects) -> None:
                    following = ok["next"]
                    covered = [key for key in asked if following is None or key <= following]
                    found = [Item.parse(each) for each in ok["items"]]
                    self._items.settle(covered, found, self._since)

                await self._request(take, {self._subscription.keys_name: suspects})
        except SynclineError as error:
            # The next event tries again.
            logger.info("%s could not be checked: %s", self._subscription.sid, error)
        finally:
            self._checking = None

    async def _request(self, take: Receive[W], members: JsonObject) -> W:
        named: JsonObject = {self._subscription.type: self._subscription.sid, **members}
        return await self._objects.request("items", take, limit=PAGE_LIMIT, **named)
