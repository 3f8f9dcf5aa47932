"""What the handles of lists and maps share: items, pages, batches, events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar, overload

import orjson

from .attempts import make_op
from .batch import Batch
from .collection_callbacks import CollectionCallbacks
from .collection_listener import Listener
from .collection_subscription import CollectionSubscription
from .emitter import Emitter
from .errors import Conflict, NotFound, RevisionMismatch
from .handle import ObjectHandle
from .header import JsonObject
from .item import Item
from .item_events import COLLECTION_EVENTS, CollectionEvent, merge_collection_event
from .item_types import ABSENT, CollectionType, check_key
from .item_waiting import ItemWaiting
from .listening import as_model
from .model_data import ModelData
from .mutation import repeat_until_first
from .mutation_queue import MutationQueue
from .open_objects import OpenObjects
from .pages import PAGE_SIZE, Order, Page, Read, checked, first_page, walk
from .part import Part
from .patches import encode_rule, shallow_merge
from .replica import Replica
from .type_variables import K, T

__all__ = ["Collection"]

D = TypeVar("D")


class Collection(
    CollectionCallbacks[T, K],
    ItemWaiting[T, K],
    ObjectHandle[CollectionSubscription, CollectionEvent[T, K]],
    Generic[T, K],
):
    """One list or map, or a part of it, subscribed until `close()`.

    Handles of one list or map share one subscription. Writes survive a break: the client sends
    them again on the next connection, and the server applies each of them once.

    Every method that sends a request raises, in addition to the exceptions that it lists:
        NotFound: the list or map was removed or has expired.
        Unavailable: the server cannot execute the request now; `message` says so if a write may
            have been applied.
        RequestTimeout: no reply in time; the outcome is unknown.
        HandleClosed, ClientClosed: this handle or the client was closed.
        ConnectionLost, Unauthorized: the client is permanently disconnected.

    With a model, `data` of an item or event raises `ModelMismatch` if it does not fit the model.
    """

    ttl_verb = "ttl_collection"
    remove_verb = "remove_collection"
    collection_type: ClassVar[CollectionType]

    def __init__(
        self,
        objects: OpenObjects,
        subscription: CollectionSubscription,
        part: Part,
        *,
        data: ModelData[T],
    ) -> None:
        """Applications call `Client.map` or `Client.list` instead."""
        self.part = part
        self._model = data
        events: Emitter[CollectionEvent[T, K]] = Emitter(
            COLLECTION_EVENTS,
            objects.options.event_queue,
            merge_collection_event,
            convert=as_model(data.codec),
        )
        listener = Listener(part=part, emit=events.emit, end=events.end)
        super().__init__(objects, subscription, events, listener)
        # Made with the reply to `open`, until the application asks for it.
        self._prepared: Replica[T, K] | None = None

    @overload
    async def get(self, key: K) -> Item[T, K] | None: ...

    @overload
    async def get(self, key: K, default: D) -> Item[T, K] | D: ...

    async def get(self, key: K, default: Any = None) -> Any:
        """Read an item; return `default` if there is none."""
        try:
            return await self[key]
        except NotFound as error:
            if error.code != self.collection_type.missing:
                raise
            return default

    async def __getitem__(self, key: K) -> Item[T, K]:
        """Read an item: `await collection[key]`.

        Raises:
            NotFound: there is no such item.
        """
        self._check_key(key)
        item: Item[T, K] = await self._request(
            "item", lambda ok: self._item(ok["item"]), **{self.collection_type.key_name: key}
        )
        return item

    async def set(
        self,
        key: K,
        data: T,
        *,
        if_match: str | None = None,
        ttl: int | None = None,
        collection_ttl: int | None = None,
    ) -> Item[T, K]:
        """Replace the data of an item; in a map, add the item if there is none.

        Args:
            data: a JSON object; with a model, an instance of it.
            if_match: write only if the item is at this revision; `"-1"`: only if there is none;
                None: unconditional.
            ttl: time to live of the item in seconds from now; 0: never expires; None keeps it.
            collection_ttl: the same for the whole list or map.

        Returns:
            the item as written.

        Raises:
            RevisionMismatch: the item is at another revision; `item` is that state.
            NotFound: the list has no such item.
            InvalidRequest: a value is not allowed, or `data` does not fit the model.
            TooLarge: `data` is larger than the server accepts.
        """
        members = {"if_match": if_match, "ttl": ttl, "collection_ttl": collection_ttl}
        return await self._write_data("set", {self.collection_type.key_name: key}, data, members)

    async def update(
        self, key: K, changes: Mapping[str, Any], *, ttl: int | None = None
    ) -> Item[T, K]:
        """Set some top-level keys of the data of an item and leave the others as they are.

        As `update` of a document: the server merges, so there is no conflict with other writers.

        Raises:
            NotFound: there is no such item.
            InvalidRequest, TooLarge: as in `set`.
        """
        # Checked here, so that an error message names the place within `changes`.
        new = self._model.encode_changes(changes, self._objects.limits.item)
        return await self.patch(key, operations=shallow_merge(new), ttl=ttl)

    async def patch(
        self,
        key: K,
        *,
        merge: JsonObject | None = None,
        operations: Sequence[JsonObject] | None = None,
        increment: Mapping[str, int | float] | None = None,
        if_match: str | None = None,
        ttl: int | None = None,
        collection_ttl: int | None = None,
    ) -> Item[T, K]:
        """Let the server change the newest data of an item by a rule. Give exactly one rule.

        Args:
            merge, operations, increment: as in `patch` of a document.
            if_match, ttl, collection_ttl: as in `set`.

        Raises:
            TypeError: no rule was given, or more than one.
            NotFound: there is no such item.
            Conflict: the patch does not fit the data.
            RevisionMismatch, InvalidRequest, TooLarge: as in `set`.
        """
        self._check_key(key)
        rule = encode_rule(merge=merge, operations=operations, increment=increment)
        options = {"if_match": if_match, "ttl": ttl, "collection_ttl": collection_ttl}
        written = await self._write(
            "patch", None, **{self.collection_type.key_name: key}, **rule, **options
        )
        return written or await self[key]

    async def increment(self, key: K, pointer: str, by: int | float = 1) -> Item[T, K]:
        """Add to a number in the data of an item; a missing number counts as 0.

        Args:
            pointer: a JSON pointer (RFC 6901), such as `/likes`.

        Raises:
            NotFound, Conflict: as in `patch`.
        """
        return await self.patch(key, increment={pointer: by})

    async def set_item_ttl(self, key: K, ttl: int, *, if_match: str | None = None) -> None:
        """Change the expiry of an item and keep its data.

        Raises:
            NotFound: there is no such item.
            RevisionMismatch, InvalidRequest: as in `set`.
        """
        self._check_key(key)
        await self._write(
            "ttl", None, **{self.collection_type.key_name: key}, ttl=ttl, if_match=if_match
        )

    async def remove(self, key: K, *, if_match: str | None = None) -> None:
        """Remove an item.

        Raises:
            NotFound: there is no such item.
            RevisionMismatch: as in `set`.
        """
        self._check_key(key)
        await self._write("remove", None, **{self.collection_type.key_name: key}, if_match=if_match)

    def batch(self, *, collection_ttl: int | None = None) -> Batch[T, K]:
        """Return a batch, which writes up to 100 items together or none (see `Batch`)."""

        async def send(operations: Sequence[JsonObject]) -> list[str]:
            return await self._send_batch(operations, collection_ttl)

        key_name, model = self.collection_type.key_name, self._model
        return Batch(key_name, self._check_key, send, encode=lambda data: model.encode(data, None))

    def items(
        self,
        start: K | None = None,
        *,
        after: K | None = None,
        order: Order = "asc",
        page_size: int = PAGE_SIZE,
    ) -> AsyncIterator[tuple[K, Item[T, K]]]:
        """Iterate over keys and items, in the order of the keys, page by page.

        An item that exists during the whole iteration is shown once.

        Args:
            start: key to begin with; it need not exist.
            after: key after which to begin, instead.
            order: `asc` or `desc`.
            page_size: number of items that are read at once, 1 to 500.
        """
        return walk(first_page(self._reader(page_size), start, after, order))

    async def page(
        self,
        start: K | None = None,
        *,
        after: K | None = None,
        order: Order = "asc",
        page_size: int = PAGE_SIZE,
    ) -> Page[T, K]:
        """Read one page of items; arguments as in `items`.

        A page that begins in the middle needs a second request, for `has_prev_page`.
        """
        return await checked(await first_page(self._reader(page_size), start, after, order))

    def replica(self) -> Replica[T, K]:
        """Return a replica, which keeps the items in memory and current (see `Replica`).

        If this handle was opened with `replica=True`, the first one has its first items already.
        """
        self._check_open()
        prepared, self._prepared = self._prepared, None
        if prepared is not None:
            return prepared
        return self._make_replica(None)

    def prepare_replica(self, opened: JsonObject) -> None:
        """Make a replica of the reply to `open`. Called with that reply, before any event."""
        self._prepared = self._make_replica(opened)

    async def close(self) -> None:
        """Close this handle and its listeners; the last handle unsubscribes. Safe to repeat."""
        await super().close()
        prepared, self._prepared = self._prepared, None
        if prepared is not None:
            await prepared.close()

    def _make_replica(self, opened: JsonObject | None) -> Replica[T, K]:
        return Replica(
            self._objects, self._subscription, self.part, data=self._model, opened=opened
        )

    def _reader(self, page_size: int) -> Read[T, K]:
        """What reads the pages of this handle's part."""
        part = self.part.members(self.collection_type.keys_name)

        def take(ok: JsonObject) -> tuple[list[Item[T, K]], K | None]:
            return [self._item(each) for each in ok["items"]], ok["next"]

        async def read(bounds: JsonObject, order: Order) -> tuple[list[Item[T, K]], K | None]:
            page: tuple[list[Item[T, K]], K | None] = await self._request(
                "items", take, **{"order": order, "limit": page_size, **bounds}, **part
            )
            return page

        return read

    async def _mutate(self, key: K, fn: Callable[[Any], Any], ttl: int | None) -> Item[T, K]:
        """As `mutate` of a map or list; `fn` is called with None for an item to create."""
        self._check_open()
        self._check_key(key)
        deadline = asyncio.get_running_loop().time() + self._objects.options.mutate_timeout
        queue = self._subscription.mutations.setdefault(key, MutationQueue())

        async def attempt() -> Item[T, K]:
            newest: Item[T, K] | None
            if self.collection_type.creates_items:
                newest = await self.get(key)
            else:
                newest = await self[key]
            stored = None if newest is None else newest.json
            json = await self._model.apply(fn, stored, self._objects.limits.item)
            if json is None:
                # Without an item there is none to return: the read raises.
                return newest or await self[key]
            condition = ABSENT if newest is None else newest.revision
            members = {"if_match": condition, "ttl": ttl, self.collection_type.key_name: key}
            return await self._write_json("set", json, members)

        async with queue.turn():
            return await repeat_until_first(attempt, deadline)

    def _check_key(self, key: Any) -> None:
        """Raise `InvalidRequest` if `key` cannot be a key."""
        check_key(self.collection_type, key)

    async def _write_data(
        self, verb: str, key: JsonObject, data: T, members: JsonObject
    ) -> Item[T, K]:
        for each in key.values():
            self._check_key(each)
        json = self._model.encode(data, self._objects.limits.item)
        return await self._write_json(verb, json, {**key, **members})

    async def _write_json(self, verb: str, json: bytes, members: JsonObject) -> Item[T, K]:
        written = await self._write(verb, json, data=orjson.Fragment(json), **members)
        assert written is not None
        return written

    async def _write(self, verb: str, json: bytes | None, **members: Any) -> Item[T, K] | None:
        """Send a write; return the item after it, None if its data is not known."""

        def take(ok: JsonObject) -> Item[T, K] | None:
            self._subscription.wrote(ok[self._subscription.type], ok, json)
            item = ok["item"]
            return self._item(item, json) if json is not None or "data" in item else None

        self._check_open()
        with self._subscription.writing():
            try:
                item: Item[T, K] | None = await self._request(verb, take, **members, op=make_op())
            except (Conflict, RevisionMismatch) as refusal:
                if refusal.item is not None:
                    refusal.item = self._model.item(refusal.item)
                raise
        if item is None and verb != "remove":
            await self._subscription.read_written([members[self.collection_type.key_name]])
        return item

    def _item(self, body: JsonObject, json: bytes | None = None) -> Item[T, K]:
        return self._model.item(Item.parse(body, json))

    async def _send_batch(
        self, operations: Sequence[JsonObject], collection_ttl: int | None
    ) -> list[str]:
        def take(ok: JsonObject) -> list[str]:
            for operation, change in zip(operations, ok["changes"], strict=True):
                data = operation.get("data")
                json = None if data is None else orjson.dumps(data)
                written = {"kind": change["kind"], "item": change}
                self._subscription.wrote(ok[self._subscription.type], written, json)
            return [change["revision"] for change in ok["changes"]]

        with self._subscription.writing():
            revisions: list[str] = await self._request(
                "batch",
                take,
                operations=list(operations),
                collection_ttl=collection_ttl,
                op=make_op(),
            )
        name = self.collection_type.key_name
        unknown = [each for each in operations if each["op"] != "remove" and "data" not in each]
        await self._subscription.read_written([each[name] for each in unknown])
        return revisions
