"""A map that is written and read through the server's storage layer, in this process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass

from syncline_protocol.item_commands import ItemOperation, ItemQuery, Verb
from syncline_protocol.objects import MAP
from syncline_server.config.settings import Settings
from syncline_server.storage import keys
from syncline_server.storage.author import Author
from syncline_server.storage.items import Items, Replay
from syncline_server.storage.keys import ObjectAddress
from syncline_server.storage.objects import NewObject, Objects
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.redis.urls import engine_of

from .test_bed import TestBed

__all__ = [
    "MAP_NAME",
    "MAP_PATH",
    "Collection",
    "item_key",
    "opened_collection",
    "running_collection",
]

MAP_NAME = "bench"
MAP_PATH = f"/v1/Services/default/Maps/{MAP_NAME}"

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
        """Put items, in batches, as a client would by REST.

        Args:
            expiry: time of `time.time()` near which all of them expire; None for never.
        """

        async def put(batch: Sequence[int]) -> None:
            ttl = None if expiry is None else max(1, round(expiry - time.time()))
            await self.put(batch, ttl=ttl)

        await _in_batches(numbers, put)

    async def clear(self, numbers: Iterable[int]) -> None:
        """Remove items, in batches."""
        await _in_batches(numbers, self.remove)

    async def put(self, numbers: Iterable[int], *, ttl: int | None = None) -> None:
        """Put items in one commit."""
        writes = [
            ItemOperation(verb=Verb.PUT, key=item_key(each), data=item_data(each), ttl=ttl)
            for each in numbers
        ]
        await self.items.write(self.at, writes, AUTHOR)

    async def remove(self, numbers: Iterable[int]) -> None:
        """Remove items in one commit."""
        writes = [ItemOperation(verb=Verb.REMOVE, key=item_key(each)) for each in numbers]
        await self.items.write(self.at, writes, AUTHOR)

    async def changes_since(self, revision: int) -> Replay:
        """What changed since a revision."""
        return await self.items.changes_since(self.at, revision, AUTHOR)

    async def revision(self) -> int:
        """The revision of the map."""
        page = await self.items.page(self.at, ItemQuery(size=1), AUTHOR)
        return page.header.revision

    async def redis_memory(self) -> int:
        """Bytes that Redis uses for its keys and their values."""
        return await self._info("memory", "used_memory_dataset")

    @property
    def channel(self) -> str:
        """The channel of the map's events, by its name in Redis."""
        return self.redis.wire_channel(keys.channel(self.at.service_sid, self.at.sid))

    async def _info(self, section: str, field: str) -> int:
        text: bytes = await self.redis.execute("INFO", section)
        pairs = (line.partition(b":") for line in text.splitlines())
        return next(int(value) for name, _, value in pairs if name == field.encode())


async def _in_batches(
    numbers: Iterable[int], write: Callable[[Sequence[int]], Awaitable[None]]
) -> None:
    pending = list(numbers)
    batches = (pending[start : start + BATCH] for start in range(0, len(pending), BATCH))

    async def work() -> None:
        for batch in batches:
            await write(batch)

    await asyncio.gather(*(work() for _ in range(COMMITS_UNDER_WAY)))


@asynccontextmanager
async def opened_collection(url: str, name: str) -> AsyncIterator[Collection]:
    """The map with this name, of a server that has a document already; created if it is absent."""
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


@contextmanager
def running_collection(test_bed: TestBed) -> Iterator[tuple[Collection, asyncio.Runner]]:
    """A map on a target's Redis, and the event loop in which its methods run."""
    with asyncio.Runner() as runner, ExitStack() as stack:
        opening = opened_collection(test_bed.site.redis, MAP_NAME)
        collection = runner.run(opening.__aenter__())
        stack.callback(lambda: runner.run(opening.__aexit__(None, None, None)))
        yield collection, runner
