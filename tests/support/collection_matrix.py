"""Operations on lists, maps and streams over REST, with the rights that each of them needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx2

from support.collections import CollectionsApi

__all__ = [
    "OPERATIONS",
    "PLURALS",
    "RIGHTS",
    "SECRET",
    "Operation",
    "Target",
    "WITH_ITEMS",
    "make_target",
    "operations_of",
]

SECRET = "what nobody may learn"

WITH_ITEMS = ("Lists", "Maps")
PLURALS = (*WITH_ITEMS, "Streams")

RIGHTS = ("", "r", "w", "m", "rw", "rm", "wm", "rwm")
"""Every combination, by first letters."""


@dataclass(frozen=True, slots=True)
class Target:
    """What an operation is done with.

    Attributes:
        address: SID or unique name of the object.
        item: key or index of its only item, which contains the secret.
        revision: of that item.
    """

    plural: str
    sid: str
    address: str
    item: str | int = ""
    revision: str = ""

    @property
    def id_name(self) -> str:
        """The member that names an item."""
        return "index" if self.plural == "Lists" else "key"

    @property
    def new_key(self) -> dict[str, str]:
        """The member that an operation needs to add an item."""
        return {} if self.plural == "Lists" else {"key": "new"}


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation.

    Attributes:
        needs: the rights that it needs, by first letters.
        send: sends the request.
        plurals: the types that have it.
        status: of the reply to a caller that has the rights; 0 for any success.
    """

    needs: str
    send: Callable[[CollectionsApi, Target], httpx2.Response]
    plurals: tuple[str, ...] = WITH_ITEMS
    status: int = 0

    def succeeds(self, reply: httpx2.Response) -> bool:
        """True if the reply is that to a caller that has the rights."""
        return reply.status_code == self.status if self.status else reply.is_success


def make_target(owner: CollectionsApi, plural: str, name: str | None = None) -> Target:
    """Create an object with an item, unless it is a stream."""
    parameters = {} if name is None else {"UniqueName": name}
    sid = owner.create(**parameters)["sid"]
    target = Target(plural, sid, sid)
    if plural == "Streams":
        return target
    key = {} if plural == "Lists" else {"key": "a/b"}
    item = owner.add(sid, data={"secret": SECRET}, **key)
    return Target(plural, sid, sid, item[target.id_name], item["revision"])


def operations_of(plural: str) -> list[str]:
    """The names of the operations that a type has."""
    return [name for name, each in OPERATIONS.items() if plural in each.plurals]


def _object(method: str, **request: Any) -> Callable[[CollectionsApi, Target], httpx2.Response]:
    return lambda api, it: api.call(method, it.address, **request)


def _item(method: str, **request: Any) -> Callable[[CollectionsApi, Target], httpx2.Response]:
    return lambda api, it: api.call(method, it.address, "Items", it.item, **request)


def _patch(kind: str, body: str) -> Operation:
    return Operation("rw", _item("PATCH", content=body, headers={"Content-Type": kind}))


def _batch(op: str, **members: Any) -> Callable[[CollectionsApi, Target], httpx2.Response]:
    def send(api: CollectionsApi, it: Target) -> httpx2.Response:
        id_ = it.new_key if op == "add" else {it.id_name: it.item}
        return api.call(
            "POST", it.address, "Batch", json={"operations": [{"op": op, **id_, **members}]}
        )

    return send


def _add(api: CollectionsApi, it: Target) -> httpx2.Response:
    return api.call("POST", it.address, "Items", json={"data": {}, **it.new_key})


STALE = {"If-Match": "1"}
DATA: dict[str, Any] = {"json": {"data": {"n": 1}}}

OPERATIONS: Mapping[str, Operation] = {
    "fetch": Operation("r", _object("GET"), PLURALS),
    "set ttl": Operation("w", _object("POST", data={"Ttl": "60"}), PLURALS),
    "delete": Operation("m", _object("DELETE"), PLURALS),
    "list items": Operation("r", lambda api, it: api.call("GET", it.address, "Items")),
    "fetch item": Operation("r", _item("GET")),
    "fetch item unless": Operation(
        "r",
        lambda api, it: api.call(
            "GET", it.address, "Items", it.item, headers={"If-None-Match": it.revision}
        ),
        status=304,
    ),
    "add item": Operation("w", _add, status=201),
    "add taken item": Operation(
        "w",
        lambda api, it: api.call("POST", it.address, "Items", json={"data": {}, "key": it.item}),
        ("Maps",),
        status=409,
    ),
    "put item": Operation("w", _item("PUT", **DATA), ("Maps",), status=200),
    "put stale item": Operation("w", _item("PUT", **DATA, headers=STALE), ("Maps",), status=412),
    "put new item": Operation(
        "w", lambda api, it: api.call("PUT", it.address, "Items", "new", **DATA), ("Maps",), 201
    ),
    "update item": Operation("w", _item("POST", **DATA)),
    "update item if": Operation(
        "w",
        lambda api, it: api.call(
            "POST", it.address, "Items", it.item, **DATA, headers={"If-Match": it.revision}
        ),
    ),
    "update stale item": Operation("w", _item("POST", **DATA, headers=STALE), status=412),
    # Whether the condition holds shows which revision the item has.
    "update item unless": Operation("rw", _item("POST", **DATA, headers={"If-None-Match": "1"})),
    "set ttl of item": Operation("w", _item("POST", json={"ttl": 60})),
    "set ttl by item": Operation("w", _item("POST", json={"data": {}, "collection_ttl": 60})),
    "merge": _patch("application/merge-patch+json", "{}"),
    "operations": _patch("application/json-patch+json", '[{"op":"add","path":"/n","value":1}]'),
    "increment": _patch("application/vnd.syncline.increment+json", '{"/n":1}'),
    "delete item": Operation("w", _item("DELETE"), status=204),
    "delete stale item": Operation("w", _item("DELETE", headers=STALE), status=412),
    "batch add": Operation("w", _batch("add", data={})),
    "batch put": Operation("w", _batch("put", data={}), ("Maps",)),
    "batch update": Operation("w", _batch("update", data={})),
    "batch set ttl": Operation("w", _batch("update", ttl=60)),
    "batch remove": Operation("w", _batch("remove")),
    "batch stale": Operation("w", _batch("update", data={}, if_match="1"), status=412),
}
