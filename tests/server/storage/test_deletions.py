"""Deleted services are emptied in the background, by any process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import orjson
import pytest

from support.items import ALICE, make
from support.store import Publications, Service, eventually
from syncline_protocol.item_commands import Verb
from syncline_protocol.objects import LIST, MAP, STREAM, TYPES, Removed
from syncline_protocol.sids import BUCKETS
from syncline_server.storage import deletions as storage_deletions
from syncline_server.storage import keys
from syncline_server.storage.deletions import Deletions
from syncline_server.storage.items import Items
from syncline_server.storage.objects import NewObject, Objects
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.redis.connection import Connection

COUNT = 300


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(storage_deletions, "CHECK_INTERVAL", 0.02)
    monkeypatch.setattr(storage_deletions, "GRACE", 0.2)
    caplog.set_level(logging.INFO, "syncline.deletions")


@pytest.fixture
async def deletions(redis: Redis, objects: Objects) -> AsyncIterator[Deletions]:
    deletions = Deletions(redis, objects)
    yield deletions
    await deletions.stop()


async def order(admin: Connection, service: Service, **progress: int) -> None:
    """As `Services.delete` leaves it, or as somebody left it who began."""
    await admin.execute("HSET", keys.DELETIONS, service.sid, orjson.dumps(progress))


async def fill(service: Service) -> set[str]:
    """Create documents of every sort; their SIDs."""
    made = [service.create(f"name {n}", ttl=n % 3 * 1000 or None) for n in range(COUNT)]
    return {document.sid for document in await asyncio.gather(*made)}


async def finished(caplog: pytest.LogCaptureFixture, service: Service) -> str:
    """The last line that is logged of a deletion."""
    text = f"service {service.sid} is deleted: "
    await eventually(lambda: text in caplog.text)
    return next(message for message in caplog.messages if text in message)


async def left(admin: Connection, service: Service) -> list[bytes]:
    """The keys that have to do with a service."""
    found: list[bytes] = await admin.execute("KEYS", f"*{service.sid}*")
    found = [key for key in found if not key.endswith(b":last_ended")]  # ends by itself
    deletions = await admin.execute("HEXISTS", keys.DELETIONS, service.sid)
    return found + [b"order"] * deletions


async def test_nothing_stays_and_every_removal_is_published(
    deletions: Deletions,
    admin: Connection,
    service: Service,
    published: Publications,
    caplog: pytest.LogCaptureFixture,
) -> None:
    sids = await fill(service)
    tag = keys.bucket_tag(service.sid, 255)
    await admin.execute("HSET", keys.permissions(service.sid, min(sids)), "alice", 7)
    await admin.execute("ZADD", keys.identities(service.sid, min(sids)), 0, "alice")
    queue, parked = keys.webhook_queue(tag), keys.webhooks_parked(service.sid)
    await admin.execute("XADD", queue, "*", "k", "document_created")
    await admin.execute("INCR", f"{queue}:dropped")
    await admin.execute("HSET", parked, "id", "{}")
    await admin.execute("ZADD", f"{parked}:index", 0, "id")
    await published.take()
    await order(admin, service)
    deletions.start()

    assert f"{COUNT} objects removed" in await finished(caplog, service)
    events = await published.take()
    assert {event.sid for event in events} == sids
    assert len(events) == COUNT
    assert {event.by for event in events} == {"system"}
    assert await left(admin, service) == []


async def test_nothing_stays_of_collections_and_their_items(
    deletions: Deletions,
    admin: Connection,
    service: Service,
    items: Items,
    objects: Objects,
    published: Publications,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Not of those that were removed before either, whose items have entries of an index still."""
    made = [await make(objects, items, service.sid, type_) for type_ in TYPES if type_.has_items]
    removed = await make(objects, items, service.sid, MAP)
    stream = await objects.create(service.sid, STREAM, ALICE, NewObject(name="stream", ttl=1000))
    for collection in (*made, removed):
        key = None if collection.at.type is LIST else "k"
        for _ in range(2):
            kept = (await collection.write(Verb.ADD, key, b"{}", ttl=1000)).changes[0].item.key
            await collection.write(Verb.REMOVE, kept)
        await collection.write(Verb.ADD, key, b"{}", ttl=1000, collection_ttl=2000)
        await admin.execute("HSET", keys.permissions(service.sid, collection.at.sid), "alice", 7)
        await admin.execute("ZADD", keys.identities(service.sid, collection.at.sid), 0, "alice")
    await objects.remove(removed.at, ALICE)
    await published.take()
    await order(admin, service)
    deletions.start()

    await finished(caplog, service)
    events = await published.take()
    assert {event.sid for event in events} == {*(each.at.sid for each in made), stream.state.sid}
    assert all(isinstance(event, Removed) and event.by == "system" for event in events)
    assert await left(admin, service) == []


async def test_another_one_goes_on_where_the_first_stopped(
    deletions: Deletions,
    admin: Connection,
    service: Service,
    caplog: pytest.LogCaptureFixture,
) -> None:
    sids = await fill(service)
    await order(admin, service, bucket=128, removed=1000)
    deletions.start()
    line = f"deleting service {service.sid}: 256 of 256 buckets are empty"
    await eventually(lambda: line in caplog.text)
    later = sum(int(sid[2:4], 16) >= 128 for sid in sids)
    assert f"{line}, {1000 + later} objects removed so far" in caplog.text
    # What the first was wrong about is found by the second look at every bucket.
    assert f"{1000 + COUNT} objects removed" in await finished(caplog, service)
    assert await left(admin, service) == []


async def test_what_is_created_after_the_order_is_removed_too(
    deletions: Deletions,
    admin: Connection,
    service: Service,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await order(admin, service)
    deletions.start()
    await eventually(lambda: f"deleting service {service.sid}" in caplog.text)
    await service.create("by a server that has not noticed", ttl=100)
    assert "1 objects removed" in await finished(caplog, service)
    assert await left(admin, service) == []


async def test_two_share_no_work(
    redis: Redis,
    objects: Objects,
    admin: Connection,
    service: Service,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await fill(service)
    await order(admin, service)
    both = [Deletions(redis, objects) for _ in range(2)]
    for each in both:
        each.start()
    assert f"{COUNT} objects removed" in await finished(caplog, service)
    for each in both:
        await each.stop()
    assert await left(admin, service) == []


async def test_a_lease_of_one_who_died_runs_out(
    deletions: Deletions,
    admin: Connection,
    service: Service,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await service.create("name")
    await order(admin, service)
    await admin.execute("SET", keys.deletion_lease(service.sid), "somebody", "PX", 300)
    deletions.start()
    assert "1 objects removed" in await finished(caplog, service)


async def test_progress_is_recorded_and_logged(
    deletions: Deletions,
    admin: Connection,
    service: Service,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(storage_deletions, "RECORD_INTERVAL", -1.0)
    monkeypatch.setattr(storage_deletions, "GRACE", 1000.0)
    await fill(service)
    await order(admin, service)
    deletions.start()
    await eventually(lambda: f"{BUCKETS} of {BUCKETS} buckets" in caplog.text)
    steps = [message for message in caplog.messages if service.sid in message]
    assert len(steps) > 100
    record = await admin.execute("HGET", keys.DELETIONS, service.sid)
    assert orjson.loads(record) == {"bucket": BUCKETS, "removed": COUNT}
    await admin.execute("HDEL", keys.DELETIONS, service.sid)
