"""A map that is written and read through the server's storage layer, in this process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from syncline_protocol.items import ItemOperation, ItemQuery, Verb
from syncline_protocol.objects import MAP
from syncline_server.config.settings import Settings
from syncline_server.storage import keys
from syncline_server.storage.author import Author
from syncline_server.storage.items import ItemPage, Items, Replay
from syncline_server.storage.keys import ObjectAddress
from syncline_server.storage.objects import NewObject, Objects
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.redis.urls import engine_of

__all__ = ["ITEM_BYTES", "Collection", "item_data", "item_key", "opened_collection"]

ITEM_BYTES = 200
"""Bytes of the data of an item."""

AUTHOR = Author(identity="bench")

BATCH = 100
"""Items of one commit, as the server's own limit of a batch."""

COMMITS_UNDER_WAY = 4

TIMEOUT = 60.0


def item_key(number: int) -> str:
    """The key of an item; keys in the order of their numbers."""
    return f"item-{number:08}"


def item_data(number: int) -> bytes:
    """The data of an item, JSON of `ITEM_BYTES` bytes."""
    text = f"{number:08}"
    return b'{"text":"%s"}' % text.ljust(ITEM_BYTES - len('{"text":""}'), ".").encode()


@dataclass(frozen=True, slots=True)
class Collection:
    """One map.

    Attributes:
        redis: the connection to its Redis.
        at: its address.
    """

    redis: Redis
    objects: Objects
    items: Items
    at: ObjectAddress

    async def fill(self, numbers: Iterable[int], *, expiry: float | None = None) -> None:
        """Put items, in batches, as a client would over REST.

        Args:
            expiry: time of `time.time()` near which all of them expire; None for never.
        """
        pending = list(numbers)
        batches = (pending[start : start + BATCH] for start in range(0, len(pending), BATCH))

        async def work() -> None:
            for batch in batches:
                ttl = None if expiry is None else max(1, round(expiry - time.time()))
                await self.put(batch, ttl=ttl)

        await asyncio.gather(*(work() for _ in range(COMMITS_UNDER_WAY)))

    async def put(self, numbers: Iterable[int], *, ttl: int | None = None) -> None:
        """Put items in one commit."""
        await self.items.write(
            self.at,
            [
                ItemOperation(verb=Verb.PUT, key=item_key(each), data=item_data(each), ttl=ttl)
                for each in numbers
            ],
            AUTHOR,
        )

    async def remove(self, numbers: Iterable[int]) -> None:
        """Remove items in one commit."""
        writes = [ItemOperation(verb=Verb.REMOVE, key=item_key(each)) for each in numbers]
        await self.items.write(self.at, writes, AUTHOR)

    async def page(self, first: int, size: int) -> ItemPage:
        """A page that begins with an item."""
        return await self.items.page(self.at, ItemQuery(start=item_key(first), size=size), AUTHOR)

    async def changes_since(self, revision: int) -> Replay:
        """What changed since a revision."""
        return await self.items.changes_since(self.at, revision, AUTHOR)

    async def revision(self) -> int:
        """The revision of the map."""
        return (await self.page(0, 1)).header.revision


@asynccontextmanager
async def opened_collection(url: str, name: str | None = None) -> AsyncIterator[Collection]:
    """A map of a server whose Redis has this URL; it is created if it does not exist."""
    redis = Redis(engine_of(url, TIMEOUT), TIMEOUT)
    await redis.start()
    try:
        objects = Objects(redis, Settings().operation_memory, None)
        (service_sid, *_) = await redis.execute("HKEYS", keys.SERVICES)
        made = await objects.create(service_sid.decode(), MAP, AUTHOR, NewObject(name=name))
        at = ObjectAddress(service_sid.decode(), MAP, made.state.sid)
        yield Collection(redis, objects, Items(redis, objects, Settings()), at)
    finally:
        await redis.stop()
