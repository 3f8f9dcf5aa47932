"""Items that expire: in batches, while other commits go on, and without a trace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from support.items import ALICE, Collection, make
from support.store import WAIT_LIMIT, Elapse, Publications, Store
from syncline_protocol.item_commands import ItemOperation, Verb
from syncline_protocol.items import ChangeKind, ItemsChanged
from syncline_protocol.objects import LIST, MAP, Removed
from syncline_server.storage import expiry, keys
from syncline_server.storage.expiry import Sweeper
from syncline_server.storage.items import Items
from syncline_server.storage.objects import Objects
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.redis.connection import Connection
from syncline_server.storage.webhooks import WebhookPolicy

INTERVAL = 0.02
"""Seconds between sweeps here."""


@pytest.fixture
async def known_sid(service_sid: str, admin: Connection) -> AsyncIterator[str]:
    """The SID of a service that is known as one: the sweeper sweeps no others."""
    await admin.execute("HSET", keys.SERVICES, service_sid, "{}")
    yield service_sid
    await admin.execute("HDEL", keys.SERVICES, service_sid)


@pytest.fixture
async def sweeper(redis: Redis, objects: Objects, items: Items) -> AsyncIterator[Sweeper]:
    sweeper = Sweeper(redis, objects, items, INTERVAL)
    yield sweeper
    await sweeper.stop()


@pytest.fixture
async def map_(objects: Objects, items: Items, known_sid: str) -> Collection:
    return await make(objects, items, known_sid, MAP)


async def fill(collection: Collection, count: int, ttl: int = 60) -> list[str]:
    """Write items that expire, by batches; return their keys."""
    names = [f"{n:06}" for n in range(count)]
    for start in range(0, count, 100):
        writes = [
            ItemOperation(verb=Verb.PUT, key=name, data=b'{"n":1}', ttl=ttl)
            for name in names[start : start + 100]
        ]
        await collection.items.write(collection.at, writes, ALICE)
    return names


async def until_empty(admin: Connection, collection: Collection) -> None:
    """Return when the bucket's index of expiries is empty."""
    async with asyncio.timeout(WAIT_LIMIT):
        while await admin.execute("ZCARD", keys.expiries(collection.at.tag)):
            await asyncio.sleep(0.005)


async def test_expired_items_are_removed_by_batches_with_an_event_each(
    map_: Collection, sweeper: Sweeper, admin: Connection, published: Publications, elapse: Elapse
) -> None:
    names = await fill(map_, 250)
    await map_.put("kept", ttl=3600)
    await map_.put("a/b", b'{"n":2}', ttl=60)
    await published.take()
    await elapse(61_000)
    sweeper.start()
    async with asyncio.timeout(WAIT_LIMIT):
        while await admin.execute("ZCARD", keys.expiries(map_.at.tag)) > 1:
            await asyncio.sleep(0.005)
    events = await published.take()
    assert all(isinstance(event, ItemsChanged) and event.by == "system" for event in events)
    assert max(len(event.changes) for event in events) == expiry.ITEMS_PER_COMMIT
    assert len(events) < 10
    changes = [change for event in events for change in event.changes]
    assert sorted(change.item.key for change in changes) == [*names, "a/b"]
    assert {(change.kind, change.expired) for change in changes} == {(ChangeKind.REMOVED, True)}
    assert await map_.keys() == ["kept"]
    async with asyncio.timeout(WAIT_LIMIT):  # the bucket is put back on the index of due ones
        while await admin.execute("ZCARD", keys.due(map_.at.service_sid)) == 0:
            await asyncio.sleep(0.005)


async def test_other_commits_go_on_while_many_items_expire(
    map_: Collection,
    sweeper: Sweeper,
    objects: Objects,
    items: Items,
    admin: Connection,
    published: Publications,
    elapse: Elapse,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of the same collection, and expiries of other buckets."""
    monkeypatch.setattr(expiry, "BATCH", 10)
    monkeypatch.setattr(expiry, "PASSES", 2)
    monkeypatch.setattr(expiry, "ITEMS_PER_COMMIT", 5)
    await fill(map_, 600)
    others = [await make(objects, items, map_.at.service_sid, LIST) for _ in range(5)]
    for other in others:
        await other.push(ttl=60)
    await published.take()
    await elapse(61_000)
    sweeper.start()
    revisions: list[int] = []
    while await admin.execute("ZCARD", keys.expiries(map_.at.tag)):
        revisions.append((await map_.put("mine")).revision)
    events = await published.take()
    system = [event for event in events if event.by == "system"]
    swept = [event.revision for event in system if event.sid == map_.at.sid]
    # The writes came between the commits of the sweep, not after them.
    assert sum(swept[0] < revision < swept[-1] for revision in revisions) > 1
    order = [event.sid for event in system]
    last = len(order) - order[::-1].index(map_.at.sid)
    assert all(other.at.sid in order[:last] for other in others)


async def test_the_index_forgets_the_items_of_a_collection_that_is_gone(
    map_: Collection,
    sweeper: Sweeper,
    objects: Objects,
    admin: Connection,
    published: Publications,
    elapse: Elapse,
    known_sid: str,
) -> None:
    await fill(map_, 90)
    await objects.remove(map_.at, ALICE)
    [*_, removed] = await published.take()
    assert isinstance(removed, Removed)
    # Answered at once: the entries of the index are left to the sweeper.
    left = {key.decode() for key in await admin.execute("KEYS", f"{map_.at.tag}*")}
    assert left == {keys.expiries(map_.at.tag), f"{map_.at.tag}:last_ended"}
    await elapse(61_000)
    sweeper.start()
    await until_empty(admin, map_)
    assert await published.take() == []


async def test_a_collection_and_its_items_that_expire_at_once_end_with_one_event(
    map_: Collection, sweeper: Sweeper, admin: Connection, published: Publications, elapse: Elapse
) -> None:
    await fill(map_, 150)
    await map_.put("last", collection_ttl=60, ttl=60)
    await published.take()
    await elapse(61_000)
    sweeper.start()
    await until_empty(admin, map_)
    [event] = [event for event in await published.take() if isinstance(event, Removed)]
    assert (event.sid, event.expired, event.by) == (map_.at.sid, True, "system")


async def test_a_moved_deadline_of_an_item_is_the_one_that_counts(
    map_: Collection, sweeper: Sweeper, admin: Connection, published: Publications, elapse: Elapse
) -> None:
    await map_.put("sooner", ttl=3600)
    await map_.write(Verb.UPDATE, "sooner", ttl=60)
    await map_.put("later", ttl=60)
    await map_.write(Verb.UPDATE, "later", ttl=3600)
    await map_.put("never", ttl=60)
    await map_.write(Verb.UPDATE, "never", ttl=0)
    await map_.put("kept", ttl=60)
    await map_.put("kept")  # keeps the deadline
    await published.take()
    await elapse(61_000)
    sweeper.start()
    async with asyncio.timeout(WAIT_LIMIT):
        while await admin.execute("ZCARD", keys.expiries(map_.at.tag)) > 1:
            await asyncio.sleep(0.005)
    assert await map_.keys() == ["later", "never"]


async def test_an_index_that_is_wrong_about_items_is_corrected(
    map_: Collection, sweeper: Sweeper, admin: Connection, published: Publications, elapse: Elapse
) -> None:
    await map_.put("late", ttl=3600)
    await map_.put("never")
    index = keys.expiries(map_.at.tag)
    for key in ("late", "never", "unknown"):
        await admin.execute("ZADD", index, 1, f"{map_.at.sid}/{key}")
    await map_.put("soon", ttl=60)
    await published.take()
    await elapse(61_000)
    sweeper.start()
    async with asyncio.timeout(WAIT_LIMIT):
        while await admin.execute("ZCARD", index) > 1:
            await asyncio.sleep(0.005)
    [event] = await published.take()
    assert [change.item.key for change in event.changes] == ["soon"]
    [member, score] = await admin.execute("ZRANGE", index, 0, -1, "WITHSCORES")
    late = await map_.get("late")
    assert late is not None
    assert (member.decode(), float(score)) == (f"{map_.at.sid}/late", late.expires_ms)


async def test_two_sweepers_remove_each_item_once(
    map_: Collection,
    sweeper: Sweeper,
    redis: Redis,
    objects: Objects,
    items: Items,
    admin: Connection,
    published: Publications,
    elapse: Elapse,
) -> None:
    names = await fill(map_, 400)
    await published.take()
    await elapse(61_000)
    other = Sweeper(redis, objects, items, INTERVAL)
    sweeper.start()
    other.start()
    await until_empty(admin, map_)
    await other.stop()
    changes = [change for event in await published.take() for change in event.changes]
    assert sorted(change.item.key for change in changes) == names


async def test_an_expired_item_queues_a_webhook(
    map_: Collection,
    redis: Redis,
    objects: Objects,
    items: Items,
    admin: Connection,
    store: Store,
    elapse: Elapse,
) -> None:
    await map_.put("k", ttl=60)
    await elapse(61_000)

    async def policy(_: str) -> WebhookPolicy:
        return WebhookPolicy(limit=10, reports_write=True)

    sweeper = Sweeper(redis, objects, items, INTERVAL, webhooks=policy)
    sweeper.start()
    await until_empty(admin, map_)
    await sweeper.stop()
    [[_, fields]] = await admin.execute("XRANGE", keys.webhook_queue(map_.at.tag), "-", "+")
    assert dict(zip(fields[::2], fields[1::2], strict=True))[b"k"] == b"map_item_removed"
