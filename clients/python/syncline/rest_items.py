"""Requests for lists, maps and streams over REST, with replies in the form of the native protocol.

docs/protocol.md, sections 3 and 9.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import orjson

from syncline_protocol.errors import codes_of
from syncline_protocol.objects import ObjectType

from .errors import NotFound
from .header import JsonObject
from .rest_calls import AsyncRestCalls
from .rest_requests import JSON_TYPE, PATCH_TYPES, form_of, headers_of, segment

__all__ = ["RestItems"]

PAGE_LIMIT = 100
"""Maximum number of items in a page over REST."""

QUERY_LENGTH = 3_000
"""Characters of keys in one query, after which the next one begins: a URL has 8,192 bytes at most.
"""

_LAST = "\U0010ffff"
"""The last character: appended to a prefix it is behind all keys that begin with the prefix."""


class RestItems:
    """Carries out requests for one object, other than `open`."""

    def __init__(self, calls: AsyncRestCalls, type_: ObjectType, address: str) -> None:
        self._calls = calls
        self._type = type_
        self._path = calls.path_to(address, type_)
        self._sid = address

    async def carry_out(self, request: JsonObject) -> JsonObject:
        """Send a request and return the `ok` of its reply."""
        has_items = self._type.has_items
        match request["do"]:
            case "get":
                return {self._type.name: await self._calls.call("GET", self._path)}
            case "ttl_collection":
                return {self._type.name: await self._set_ttl(request)}
            case "ttl" if not has_items:
                return {self._type.name: await self._set_ttl(request)}
            case "remove_collection":
                await self._calls.call("DELETE", self._path, headers=headers_of(request))
                return {}
            case "remove" if not has_items:
                await self._calls.call("DELETE", self._path, headers=headers_of(request))
                return {}
            case "publish":
                content = orjson.dumps({"data": request["data"]})
                body = await self._send("POST", f"{self._path}/Messages", request, content=content)
                return {"message": {"sid": body[1]["sid"]}}
            case "items":
                return await self._items(request)
            case "batch":
                return await self._batch(request)
            case "add":
                status, item = await self._send(
                    "POST", f"{self._path}/Items", request, content=_body(request)
                )
                return self._written("added", item)
            case _:
                return await self._one(request)

    async def _one(self, request: JsonObject) -> JsonObject:
        """A request for one item that exists, or may exist."""
        key = request["key"] if "key" in request else request["index"]
        path = f"{self._path}/Items/{segment(str(key))}"
        try:
            match request["do"]:
                case "item":
                    item = await self._calls.call("GET", path)
                    return {self._type.name: self._header(item), "item": item}
                case "set":
                    method = "PUT" if "key" in request else "POST"
                    sent = self._send(method, path, request, content=_body(request))
                    status, item = await sent
                    is_new = status == HTTPStatus.CREATED
                    return self._written("added" if is_new else "updated", item)
                case "ttl":
                    status, item = await self._send("POST", path, request, content=_body(request))
                    item.pop("data", None)
                    return self._written("updated", item)
                case "patch":
                    return self._written("updated", await self._patch(path, request))
                case "remove":
                    return await self._remove(request)
                case verb:
                    raise ValueError(f"REST does not support {verb!r}")
        except NotFound as error:
            raise await self._not_found(error) from None

    async def _not_found(self, error: NotFound) -> NotFound:
        """The refusal that the native protocol has: REST does not say what was not found."""
        try:
            await self._calls.call("GET", self._path)
        except NotFound as absent:
            return absent
        return NotFound(codes_of(self._type).item_absent, error.status, error.message)

    async def _set_ttl(self, request: JsonObject) -> JsonObject:
        body = await self._calls.call(
            "POST", self._path, data=form_of(request), headers=headers_of(request)
        )
        # That of a stream has no revision. The event brings it.
        return {"revision": "0", **body}

    async def _patch(self, path: str, request: JsonObject) -> JsonObject:
        kind = next(kind for kind in PATCH_TYPES if kind in request)
        names = (("ttl", "ItemTtl"), ("collection_ttl", "CollectionTtl"))
        return await self._calls.call(
            "PATCH",
            path,
            content=orjson.dumps(request[kind]),
            params={name: request[member] for member, name in names if member in request},
            headers={**_headers(request), "Content-Type": PATCH_TYPES[kind]},
        )

    async def _remove(self, request: JsonObject) -> JsonObject:
        """Remove an item by a batch of one: the reply to `DELETE` does not have the revision."""
        names = ("key", "index", "if_match")
        operation = {"op": "remove", **{name: request[name] for name in names if name in request}}
        unconditional = {name: value for name, value in request.items() if name != "if_match"}
        ok = await self._batch({**unconditional, "operations": [operation]})
        return {self._type.name: ok[self._type.name], "kind": "removed", "item": ok["changes"][0]}

    async def _batch(self, request: JsonObject) -> JsonObject:
        names = ("operations", "collection_ttl")
        content = orjson.dumps({name: request[name] for name in names if name in request})
        _, body = await self._send("POST", f"{self._path}/Batch", request, content=content)
        changes = [{**each, "kind": each["change"]} for each in body["items"]]
        # Its `date_expires` is in seconds: the event has the exact one.
        header = {name: body[name] for name in ("revision", "date_updated")}
        header["sid"] = self._sid
        return {self._type.name: header, "changes": changes}

    async def _items(self, request: JsonObject) -> JsonObject:
        if "keys" in request or "indexes" in request:
            return await self._chosen(request)
        prefix = request.get("prefix", "")
        is_descending = request.get("order") == "desc"
        params: dict[str, Any] = {
            "Order": request.get("order", "asc"),
            "PageSize": min(request.get("limit", PAGE_LIMIT), PAGE_LIMIT),
        }
        if "after" in request:
            params |= {"From": str(request["after"]), "Bounds": "exclusive"}
        elif "from" in request:
            params["From"] = str(request["from"])
        elif prefix:
            params["From"] = prefix + _LAST if is_descending else prefix
        items: list[JsonObject] = []
        while True:
            body = await self._calls.call("GET", f"{self._path}/Items", params=params)
            found, following = body["items"], body["meta"]["next_page_url"]
            # In ascending order, nothing behind the first key without the prefix has it.
            has_prefix = [str(each.get("key", "")).startswith(prefix) for each in found]
            items += [each for each, has in zip(found, has_prefix, strict=True) if has]
            is_last = following is None or (prefix and found and not has_prefix[-1])
            if items or is_last:
                break
            params = dict(parse_qsl(urlsplit(following).query))
        after = None if is_last or not items else _key(items[-1])
        return {self._type.name: {"sid": self._sid, "revision": "0"}, "items": items, "next": after}

    async def _chosen(self, request: JsonObject) -> JsonObject:
        """The items with some keys, all in one page."""
        is_descending = request.get("order") == "desc"
        first, after = request.get("from"), request.get("after")
        keys = [
            key
            for key in request.get("keys") or request["indexes"]
            if key != after
            and not _is_before(key, first, is_descending)
            and not _is_before(key, after, is_descending)
        ]
        items: list[JsonObject] = []
        name = "Key" if "keys" in request else "Index"
        for part in _of_length(sorted(keys, reverse=is_descending)):
            params = [("Order", request.get("order", "asc")), *((name, str(key)) for key in part)]
            page = await self._calls.call("GET", f"{self._path}/Items", params=params)
            items += page["items"]
        if not keys:
            await self._calls.call("GET", self._path)  # refused if there is no such collection
        return {self._type.name: {"sid": self._sid, "revision": "0"}, "items": items, "next": None}

    async def _send(
        self, method: str, path: str, request: JsonObject, *, content: bytes
    ) -> tuple[int, JsonObject]:
        headers = {**_headers(request), **JSON_TYPE}
        return await self._calls.exchange(method, path, content=content, headers=headers)

    def _written(self, kind: str, item: JsonObject) -> JsonObject:
        return {self._type.name: self._header(item), "kind": kind, "item": item}

    def _header(self, item: JsonObject) -> JsonObject:
        """What the write of an item says of the collection."""
        return {
            "sid": item[f"{self._type.name}_sid"],
            "revision": item["revision"],
            "date_updated": item["date_updated"],
            "updated_by": item["updated_by"],
        }


def _body(request: JsonObject) -> bytes:
    """The JSON body of a write of an item."""
    names = {"data": "data", "ttl": "item_ttl", "collection_ttl": "collection_ttl"}
    if request["do"] == "add":
        names["key"] = "key"
    return orjson.dumps(
        {name: request[member] for member, name in names.items() if member in request}
    )


def _headers(request: JsonObject) -> dict[str, str]:
    if request.get("if_match") == "-1":
        unconditional = {name: value for name, value in request.items() if name != "if_match"}
        return {**headers_of(unconditional), "If-None-Match": "*"}
    return headers_of(request)


def _key(item: JsonObject) -> Any:
    return item["key"] if "key" in item else item["index"]


def _is_before(key: Any, bound: Any, is_descending: bool) -> bool:
    if bound is None:
        return False
    return bool(key > bound if is_descending else key < bound)


def _of_length(keys: Iterable[Any]) -> Iterator[list[Any]]:
    """Keys in groups that fit a query each."""
    group: list[Any] = []
    length = 0
    for key in keys:
        group.append(key)
        length += len(quote(str(key), safe="")) + len("&Index=")
        if length >= QUERY_LENGTH:
            yield group
            group, length = [], 0
    if group:
        yield group
