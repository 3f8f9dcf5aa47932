"""Helpers for tests of stored items."""

from __future__ import annotations

from typing import Any

from syncline_protocol.item_commands import ItemOperation, ItemQuery, Verb
from syncline_protocol.items import Item
from syncline_protocol.objects import ObjectType
from syncline_server.storage.author import Author
from syncline_server.storage.items import Items, ItemsWritten
from syncline_server.storage.keys import ObjectAddress
from syncline_server.storage.objects import NewObject, Objects

__all__ = ["ALICE", "Collection", "make"]

ALICE = Author(identity="alice")


class Collection:
    """One list or map, with default arguments that suit most tests."""

    def __init__(self, items: Items, at: ObjectAddress) -> None:
        self.items, self.at = items, at

    async def write(
        self, verb: Verb, key: str | None, data: bytes | None = None, **rest: Any
    ) -> ItemsWritten:
        conditions = {name: rest.pop(name) for name in ("ttl", "if_match") if name in rest}
        operation = ItemOperation(verb=verb, key=key, data=data, **conditions)
        return await self.items.write(self.at, [operation], ALICE, **rest)

    async def put(self, key: str, data: bytes = b"{}", **rest: Any) -> Item:
        return (await self.write(Verb.PUT, key, data, **rest)).changes[-1].item

    async def push(self, data: bytes = b"{}", **rest: Any) -> Item:
        return (await self.write(Verb.ADD, None, data, **rest)).changes[-1].item

    async def get(self, key: str) -> Item | None:
        return (await self.items.get(self.at, key, ALICE))[1]

    async def keys(self, **query: Any) -> list[str]:
        page = await self.items.page(self.at, ItemQuery(**query), ALICE)
        return [item.key for item in page.items]


async def make(objects: Objects, items: Items, service_sid: str, type_: ObjectType) -> Collection:
    outcome = await objects.create(service_sid, type_, ALICE, NewObject())
    return Collection(items, ObjectAddress(service_sid, type_, outcome.state.sid))
