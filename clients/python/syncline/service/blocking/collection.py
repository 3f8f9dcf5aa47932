# Made by scripts/generate-blocking. Do not edit: change the async source.
"""What the handles of lists and maps share: items, pages, batches."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar, overload

import orjson

from syncline.errors import Conflict, NotFound, RevisionMismatch
from syncline.header import Header, JsonObject
from syncline.item import Item
from syncline.item_types import ABSENT, CollectionType, check_key
from syncline.model_data import ModelData
from syncline.mutation import MutationPauses
from syncline.pages import Order
from syncline.patches import encode_rule, shallow_merge
from syncline.service.dictionary import ItemAccess
from syncline.service.running_mutations import mutating
from syncline.service.waiting import result, sleep
from syncline.type_variables import K, T

from .batch import Batch
from .handle import Handle
from .http import Http
from .listing import check_limits
from .rest_items import RestItems

__all__ = ["Collection", "items_of"]


D = TypeVar("D")


class Collection(Handle, ItemAccess[T, K], Generic[T, K]):
    """One list or map. It keeps no items: each read asks the server.

    `T` is the `model` of the handle; without one, `JsonObject`. With a model, `data` of an item
    raises `ModelMismatch` if it does not fit.
    """

    collection_type: ClassVar[CollectionType]

    def __init__(
        self, http: Http, address: str, header: Header | None = None, *, data: ModelData[T]
    ) -> None:
        """Applications call `get`, `create` or `at` of `maps` or `lists` instead."""
        super().__init__(http, address, header)
        self._model = data

    @overload
    def get(self, key: K) -> Item[T, K] | None: ...

    @overload
    def get(self, key: K, default: D) -> Item[T, K] | D: ...

    def get(self, key: K, default: Any = None) -> Any:
        """Read an item; return `default` if there is none."""
        try:
            return self[key]
        except NotFound as error:
            if error.code != self.collection_type.missing:
                raise
            return default

    def __getitem__(self, key: K) -> Item[T, K]:
        """Read an item: `collection[key]`.

        Raises:
            NotFound: there is no such item.
        """
        return self._item((self._request("item", **self._named(key)))["item"])

    def has(self, key: K) -> bool:
        """True if there is an item with that key."""
        return self.get(key) is not None

    def set(
        self,
        key: K,
        data: T,
        *,
        if_match: str | None = None,
        ttl: int | None = None,
        collection_ttl: int | None = None,
        operation_id: str | None = None,
    ) -> Item[T, K]:
        """Replace the data of an item; in a map, add the item if there is none.

        Args:
            data: a JSON object; with a model, an instance of it.
            if_match: write only if the item is at this revision; `"-1"`: only if there is none;
                None: unconditional.
            ttl: time to live of the item in seconds from now; 0: never expires; None keeps it.
            collection_ttl: the same for the whole list or map.
            operation_id: your own operation id, of up to 64 characters. Within 120 s a second call
                with it gets the answer of the first, also from another process. None makes one.

        Returns:
            the item as written.

        Raises:
            RevisionMismatch: the item is at another revision; `item` is that state.
            NotFound: the list has no such item.
            Conflict: the operation id was used for another request.
            InvalidRequest: a value is not allowed.
            TooLarge: `data` is larger than the server accepts.
        """
        json = self._model.encode(data, None)
        members = {"if_match": if_match, "ttl": ttl, "collection_ttl": collection_ttl}
        return self._write_item("set", operation_id, json, self._named(key) | members)

    def update(
        self,
        key: K,
        changes: Mapping[str, Any],
        *,
        ttl: int | None = None,
        operation_id: str | None = None,
    ) -> Item[T, K]:
        """Set some top-level keys of the data of an item and leave the others as they are.

        As `update` of a document: the server merges, so there is no conflict with other writers.

        Raises:
            NotFound: there is no such item.
            Conflict, InvalidRequest, TooLarge: as in `set`.
        """
        operations = shallow_merge(self._model.encode_changes(changes, None))
        return self.patch(key, operations=operations, ttl=ttl, operation_id=operation_id)

    def patch(
        self,
        key: K,
        *,
        merge: JsonObject | None = None,
        operations: Sequence[JsonObject] | None = None,
        increment: Mapping[str, int | float] | None = None,
        if_match: str | None = None,
        ttl: int | None = None,
        collection_ttl: int | None = None,
        operation_id: str | None = None,
    ) -> Item[T, K]:
        """Let the server change the newest data of an item by a rule. Give exactly one rule.

        Args:
            merge, operations, increment: as in `patch` of a document.
            if_match, ttl, collection_ttl, operation_id: as in `set`.

        Raises:
            TypeError: no rule was given, or more than one.
            NotFound: there is no such item.
            Conflict: the patch does not fit the data, or as in `set`.
            RevisionMismatch, InvalidRequest, TooLarge: as in `set`.
        """
        rule = encode_rule(merge=merge, operations=operations, increment=increment)
        members = {"if_match": if_match, "ttl": ttl, "collection_ttl": collection_ttl}
        return self._write_item(
            "patch", operation_id, None, {**self._named(key), **rule, **members}
        )

    def increment(
        self, key: K, pointer: str, by: int | float = 1, *, operation_id: str | None = None
    ) -> Item[T, K]:
        """Add to a number in the data of an item; a missing number counts as 0.

        Args:
            pointer: a JSON pointer (RFC 6901), such as `/likes`.
            operation_id: as in `set`.

        Raises:
            NotFound, Conflict: as in `patch`.
        """
        return self.patch(key, increment={pointer: by}, operation_id=operation_id)

    def set_item_ttl(
        self,
        key: K,
        ttl: int,
        *,
        if_match: str | None = None,
        operation_id: str | None = None,
    ) -> None:
        """Change the expiry of an item and keep its data.

        Raises:
            NotFound: there is no such item.
            RevisionMismatch, InvalidRequest: as in `set`.
        """
        self._write("ttl", operation_id, **self._named(key), ttl=ttl, if_match=if_match)

    def remove(
        self, key: K, *, if_match: str | None = None, operation_id: str | None = None
    ) -> None:
        """Remove an item.

        Raises:
            NotFound: there is no such item.
            RevisionMismatch: as in `set`.
        """
        self._write("remove", operation_id, **self._named(key), if_match=if_match)

    def batch(
        self, *, collection_ttl: int | None = None, operation_id: str | None = None
    ) -> Batch[T, K]:
        """Return a batch, which writes up to 100 items together or none.

        Use it with `with`; it is sent at the end of the block.

        Args:
            collection_ttl, operation_id: as in `set`.
        """

        def send(operations: Sequence[JsonObject]) -> list[str]:
            members = {"operations": list(operations), "collection_ttl": collection_ttl}
            ok = self._write("batch", operation_id, **members)
            return [change["revision"] for change in ok["changes"]]

        def encode(data: T) -> bytes:
            return self._model.encode(data, None)

        return Batch(self.collection_type.key_name, self._check_key, send, encode=encode)

    def items(
        self,
        start: K | None = None,
        *,
        after: K | None = None,
        order: Order = "asc",
        limit: int | None = None,
        page_size: int = 100,
    ) -> Iterator[tuple[K, Item[T, K]]]:
        """Iterate over keys and items, in the order of the keys; pages are read when needed.

        Args:
            start: key to begin with; it need not exist.
            after: key after which to begin, instead.
            order: `asc` or `desc`.
            limit: maximum number of items; None for all.
            page_size: number of items that are read at once, 1 to 100.

        Raises:
            ValueError: `limit` or `page_size` is out of range.
        """
        pages = self.pages(start, after=after, order=order, limit=limit, page_size=page_size)
        return items_of(pages)

    def pages(
        self,
        start: K | None = None,
        *,
        after: K | None = None,
        order: Order = "asc",
        limit: int | None = None,
        page_size: int = 100,
    ) -> Iterator[Sequence[Item[T, K]]]:
        """Iterate over pages of items; arguments as in `items`."""
        check_limits(limit, page_size)
        return self._pages({"from": start, "after": after, "order": order}, limit, page_size)

    def _check_key(self, key: Any) -> None:
        check_key(self.collection_type, key)

    def _pages(
        self, members: JsonObject, limit: int | None, page_size: int
    ) -> Iterator[Sequence[Item[T, K]]]:
        left = limit
        while left != 0:
            size = page_size if left is None else min(left, page_size)
            ok = self._request("items", **members, limit=size)
            page: Sequence[Item[T, K]] = [self._item(each) for each in ok["items"]]
            if page:
                yield page
            if ok["next"] is None:
                return
            members = {"after": ok["next"], "order": members["order"]}
            left = None if left is None else left - len(page)

    def _named(self, key: K) -> JsonObject:
        """The member of a request that names an item."""
        self._check_key(key)
        return {self.collection_type.key_name: key}

    def _mutate(self, key: K, fn: Callable[[Any], Any], ttl: int | None) -> Item[T, K]:
        """As `mutate` of a map or list; `fn` is called with None for an item to create."""
        self._check_key(key)
        with mutating(self._paths, key):
            deadline = time.monotonic() + self._http.pool.options.mutate_timeout
            pauses = MutationPauses()
            newest = self._newest(key)
            while True:
                stored = None if newest is None else newest.json
                passed = None if newest is None else newest.data
                data = result(fn(passed))
                json = self._model.encode_result(data, passed, stored, None)
                if json is None:
                    # Without an item there is none to return: the read raises.
                    return newest or self[key]
                condition = ABSENT if newest is None else newest.revision
                members = {**self._named(key), "if_match": condition, "ttl": ttl}
                try:
                    return self._write_item("set", None, json, members)
                except RevisionMismatch as mismatch:
                    if time.monotonic() >= deadline:
                        raise
                    found = mismatch.item
                sleep(pauses.next())
                newest = found or self._newest(key)

    def _newest(self, key: K) -> Item[T, K] | None:
        """The item; None where a write may create it."""
        if self.collection_type.creates_items:
            return self.get(key)
        return self[key]

    def _write_item(
        self, verb: str, operation_id: str | None, json: bytes | None, members: JsonObject
    ) -> Item[T, K]:
        """Send a write and return the item after it; `json` is its data, None if not known yet."""
        if json is not None:
            members = members | {"data": orjson.Fragment(json)}
        body = (self._write(verb, operation_id, **members))["item"]
        # The reply to a repeated operation lacks the data if the item has changed since.
        if json is None and "data" not in body:
            return self[members[self.collection_type.key_name]]
        return self._item(body, json)

    def _write(self, verb: str, operation_id: str | None, **members: Any) -> JsonObject:
        try:
            return super()._write(verb, operation_id, **members)
        except (RevisionMismatch, Conflict) as refusal:
            if refusal.item is not None:
                refusal.item = self._model.item(refusal.item)
            raise

    def _item(self, body: JsonObject, json: bytes | None = None) -> Item[T, K]:
        return self._model.item(Item.parse(body, json))

    def _carry_out(self, request: JsonObject) -> JsonObject:
        return RestItems(self._http, self.object_type, self._address).carry_out(request)

    def _take(self, ok: JsonObject) -> None:
        # What a write of an item says of the collection has no dates of its own.
        body = ok.get(self.object_type.name, {})
        if "date_created" in body:
            self._known = Header.of(body)


def items_of(
    pages: Iterator[Sequence[Item[T, K]]],
) -> Iterator[tuple[K, Item[T, K]]]:
    """The items of pages, with their keys."""
    for page in pages:
        for item in page:
            yield item.key, item
