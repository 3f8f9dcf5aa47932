"""The map that the bench fills and reads: what it measures is what it says."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from bench.harness.collection import ITEM_BYTES, MAP_NAME, Collection, item_key, opened_collection
from bench.harness.processes import free_ports
from bench.harness.redis import start_redis

from syncline_protocol.item_commands import ItemQuery
from syncline_protocol.items import Item
from syncline_server.storage import keys
from syncline_server.storage.author import Author
from syncline_server.storage.records import Tombstone
from syncline_server.storage.redis.address import Address
from syncline_server.storage.redis.connection import connect

READER = Author(identity="reader")
SERVICE = f"IS{0:032x}"


@pytest.fixture
async def map_(tmp_path: Path) -> AsyncIterator[Collection]:
    port = free_ports()
    process, url = start_redis(port, tmp_path / "redis", "no"), f"redis://127.0.0.1:{port}"
    try:
        connection = await connect(Address.parse(url), 10)
        await connection.execute("HSET", keys.SERVICES, SERVICE, "{}")
        connection.abort()
        async with opened_collection(url, MAP_NAME) as collection:
            yield collection
    finally:
        process.stop()


async def read(collection: Collection) -> list[Item]:
    query, found = ItemQuery(size=100), list[Item]()
    while True:
        page = await collection.items.page(collection.at, query, READER)
        found += page.items
        if page.next_key is None:
            return found
        query = ItemQuery(size=100, start=page.next_key, is_inclusive=False)


async def test_it_is_filled_with_items_of_one_size(map_: Collection) -> None:
    await map_.fill(reversed(range(250)))
    items = await read(map_)
    assert [item.key for item in items] == [item_key(number) for number in range(250)]
    assert {len(item.data) for item in items} == {ITEM_BYTES}
    assert all(item.expires_ms is None for item in items)


async def test_all_items_expire_within_a_second(map_: Collection) -> None:
    expiry = time.time() + 60
    await map_.fill(range(250), expiry=expiry)
    moments = [item.expires_ms or 0 for item in await read(map_)]
    # Redis adds the whole seconds of a TTL to its own clock, a little later.
    assert max(moments) - min(moments) < 2000
    assert all(abs(moment - expiry * 1000) < 2000 for moment in moments)


async def test_removed_items_are_kept_as_tombstones(map_: Collection) -> None:
    await map_.fill(range(20))
    since = await map_.revision()
    await map_.put(range(5))
    await map_.clear(range(5, 10))
    replay = await map_.changes_since(since)
    kinds = [(each.key, isinstance(each, Tombstone)) for each in replay.changes]
    assert kinds == [(item_key(number), number >= 5) for number in range(10)]
