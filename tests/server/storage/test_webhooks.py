from __future__ import annotations

import asyncio

import pytest

from support.store import WAIT_LIMIT, Store
from syncline_server.storage import keys
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.redis.connection import Connection
from syncline_server.storage.services import Service
from syncline_server.storage.webhooks import BucketIndex, hook

SERVICE = f"IS{'d' * 32}"


@pytest.mark.parametrize(
    ("url", "from_rest_too", "from_rest", "expected"),
    [
        (None, True, False, ""),
        (None, True, True, ""),
        ("https://example.com", False, False, "9 1 EP1"),
        ("https://example.com", True, False, "9 1 EP1"),
        ("https://example.com", True, True, "9 1 EP1"),
        # Only of what expires.
        ("https://example.com", False, True, "9 0 EP1"),
    ],
)
def test_what_is_reported(
    url: str | None, from_rest_too: bool, from_rest: bool, expected: str
) -> None:
    service = Service(
        SERVICE, None, 1, 1, webhook_url=url, webhooks_from_rest_enabled=from_rest_too
    )
    assert hook(service, 9, from_rest=from_rest, endpoint="EP1") == expected


def test_of_a_service_that_is_not_known_nothing_is() -> None:
    assert hook(None, 9, from_rest=False) == ""


async def indexed(admin: Connection) -> dict[bytes, bytes]:
    """The scores of this module's buckets."""
    found = await admin.execute("ZRANGE", keys.WEBHOOKS, 0, -1, "WITHSCORES")
    pairs = zip(found[::2], found[1::2], strict=True)
    return {bucket: score for bucket, score in pairs if bucket.startswith(SERVICE.encode())}


async def until_indexed(admin: Connection, count: int) -> dict[bytes, bytes]:
    async with asyncio.timeout(WAIT_LIMIT):
        while len(found := await indexed(admin)) < count:
            await asyncio.sleep(0.01)
    return found


async def test_all_of_a_turn_are_added_at_once_and_each_time_again(
    redis: Redis, admin: Connection
) -> None:
    notes = BucketIndex(redis)
    buckets = [f"{SERVICE}:{number:02x}" for number in range(20)]
    for bucket in [*buckets, *buckets]:
        notes.add(bucket)
    first = await until_indexed(admin, 20)
    assert len(set(first.values())) == 1
    notes.add(buckets[0])
    async with asyncio.timeout(WAIT_LIMIT):
        while (await indexed(admin))[buckets[0].encode()] == first[buckets[0].encode()]:
            await asyncio.sleep(0.01)
    await admin.execute("ZREM", keys.WEBHOOKS, *buckets)


async def test_a_note_is_written_through_a_break(redis: Redis, store: Store) -> None:
    notes = BucketIndex(redis)
    notes.add(f"{SERVICE}:00")
    await asyncio.sleep(0)  # it is sent
    await store.cut("normal")
    async with store.connected() as admin:
        await until_indexed(admin, 1)
        await admin.execute("ZREM", keys.WEBHOOKS, f"{SERVICE}:00")
