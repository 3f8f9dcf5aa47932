from __future__ import annotations

import asyncio

import pytest

from support.store import WAIT_LIMIT, Store
from syncline_server.storage import keys
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.redis.connection import Connection
from syncline_server.storage.services import Service
from syncline_server.storage.webhooks import BucketIndex, WebhookPolicy

SERVICE = f"IS{'d' * 32}"


@pytest.mark.parametrize(
    ("url", "from_rest_too", "from_rest", "reports_write"),
    [
        (None, True, False, None),
        (None, True, True, None),
        ("https://example.com", False, False, True),
        ("https://example.com", True, False, True),
        ("https://example.com", True, True, True),
        # Only of what expires.
        ("https://example.com", False, True, False),
    ],
)
def test_what_a_write_queues(
    url: str | None, from_rest_too: bool, from_rest: bool, reports_write: bool | None
) -> None:
    service = Service(
        sid=SERVICE,
        unique_name=None,
        created_ms=1,
        updated_ms=1,
        webhook_url=url,
        webhooks_from_rest_enabled=from_rest_too,
    )
    policy = WebhookPolicy.of(service, 9, from_rest=from_rest, endpoint="EP1")
    if reports_write is None:
        assert policy is None
    else:
        assert policy == WebhookPolicy(limit=9, reports_write=reports_write, endpoint="EP1")


def test_a_write_in_an_unknown_service_queues_nothing() -> None:
    assert WebhookPolicy.of(None, 9, from_rest=False) is None


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
