"""Items of lists and maps on a Cluster: every script, and a failover that loses writes."""

from __future__ import annotations

import asyncio
import secrets
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from support.backend import make_backend
from support.cluster import WAIT_LIMIT, Cluster
from support.items import ALICE, Collection, make
from support.store import Inbox, eventually, refused
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.item_commands import ItemOperation, ItemQuery, Verb
from syncline_protocol.items import ItemsChanged, ItemsReset
from syncline_protocol.objects import LIST, MAP, Event
from syncline_protocol.sids import make_sid
from syncline_server.backend import Backend
from syncline_server.pubsub.topic import Topic
from syncline_server.storage import keys
from syncline_server.storage.expiry import Sweeper
from syncline_server.storage.keys import ObjectAddress
from syncline_server.storage.objects import NewObject
from syncline_server.storage.reclaimer import Reclaimer
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.redis.urls import engine_of

COLLECTIONS = 12


@asynccontextmanager
async def backend_on(cluster: Cluster) -> AsyncIterator[Backend]:
    engine = engine_of(cluster.url, 2.0)
    await engine.start()
    redis = Redis(engine, WAIT_LIMIT)
    await redis.start()
    backend = make_backend(redis)
    backend.hub.start()
    try:
        await eventually(backend.ready)
        yield backend
    finally:
        await backend.hub.stop()
        await redis.stop()
        await engine.stop()


@pytest.fixture
async def backend(cluster: Cluster) -> AsyncIterator[Backend]:
    async with backend_on(cluster) as backend:
        yield backend


async def opened(backend: Backend, collection: Collection, inbox: Inbox) -> Topic:
    """Open a collection as a session does."""
    topic = backend.hub.join(collection.at.service_sid, collection.at.sid, inbox)
    await backend.hub.make_live(topic)
    header = await backend.objects.get(collection.at)
    assert header is not None
    topic.learn(header)
    topic.acknowledged = max(topic.acknowledged, header.revision)
    return topic


async def test_items_of_all_shards_are_written_read_and_swept(
    backend: Backend, cluster: Cluster
) -> None:
    service_sid = f"IS{secrets.token_hex(16)}"
    types = [LIST, MAP] * (COLLECTIONS // 2)
    made = [await make(backend.objects, backend.items, service_sid, type_) for type_ in types]
    assert len({cluster.master_of(each.at.tag).port for each in made}) > 1
    for each in made:
        await _use(backend, each)
    # An operation id is of one bucket: there it is repeated, elsewhere it is refused.
    first = next(each for each in made if each.at.type is LIST)
    pushed = await first.write(Verb.ADD, None, b"{}", op="once")
    again = await first.write(Verb.ADD, None, b"{}", op="once")
    assert again.is_repeated and again.changes[0].item.key == pushed.changes[0].item.key
    elsewhere = next(each for each in made if each.at.tag != first.at.tag)
    await refused(elsewhere.write(Verb.PUT, "k", b"{}", op="once"), Code.CONFLICT)
    await _expire(backend, made)


async def _use(backend: Backend, collection: Collection) -> None:
    inbox = Inbox()
    topic = await opened(backend, collection, inbox)
    is_list = collection.at.type is LIST
    adds = [
        ItemOperation(verb=Verb.ADD, key=None if is_list else f"{n}", data=b"{}") for n in range(5)
    ]
    written = await collection.items.write(collection.at, adds, ALICE)
    names = [change.item.key for change in written.changes]
    event = await inbox.next()
    assert isinstance(event, ItemsChanged)
    assert event.changes == written.changes
    changed = await collection.put(names[1], b'{"n":1}', if_match=written.changes[1].item.revision)
    removed = await collection.write(Verb.REMOVE, names[0])
    page = await collection.items.page(collection.at, ItemQuery(size=2), ALICE)
    assert [item.key for item in page.items] == names[1:3]
    assert page.next_key == names[2]
    replay = await collection.items.changes_since(collection.at, written.header.revision, ALICE)
    revisions = [each.revision for each in replay.changes]
    assert revisions == [changed.revision, removed.header.revision]
    backend.hub.leave(topic, inbox)


async def _expire(backend: Backend, made: list[Collection]) -> None:
    """Let one item of each expire, and one collection be removed before that."""
    for each in made:
        await each.write(Verb.ADD, None if each.at.type is LIST else "brief", b"{}", ttl=1)
    await backend.objects.remove(made[-1].at, ALICE)
    service_sid = made[0].at.service_sid
    await backend.redis.execute("HSET", keys.SERVICES, service_sid, "{}")
    sweeper = Sweeper(backend.redis, backend.objects, backend.items, 0.05)
    sweeper.start()
    async with asyncio.timeout(WAIT_LIMIT):
        for each in made:
            while await backend.redis.execute("EXISTS", keys.expiries(each.at.tag)):
                await asyncio.sleep(0.02)
    await sweeper.stop()
    for each in made[:-1]:
        replay = await each.items.changes_since(each.at, 0, ALICE)
        assert replay.header.updated_by == "system"


async def test_large_maps_of_all_shards_are_freed(backend: Backend, cluster: Cluster) -> None:
    """Those that the index names, and one that a crash kept off it, which an inspection finds."""
    service_sid = f"IS{secrets.token_hex(16)}"
    made: list[Collection] = []
    while len(made) < 6 or len({cluster.master_of(each.at.tag).port for each in made}) == 1:
        made.append(await make(backend.objects, backend.items, service_sid, MAP))
    for each in made:
        for start in range(0, 300, 100):
            names = [f"{n}" for n in range(start, start + 100)]
            writes = [
                ItemOperation(verb=Verb.PUT, key=name, data=b"{}", ttl=1000) for name in names
            ]
            await each.items.write(each.at, writes, ALICE)
        await backend.objects.remove(each.at, ALICE)
    execute, tags = backend.redis.execute, [each.at.tag for each in made]
    # Two of them may share a bucket.
    for tag in tags:
        assert await execute("SCARD", keys.garbage(tag)) == 3 * tags.count(tag)
    while await execute("SCARD", keys.GARBAGE) < len(set(tags)):
        await asyncio.sleep(0.02)
    await execute("SREM", keys.GARBAGE, tags[0][1:-1])
    await execute("HSET", keys.SERVICES, service_sid, "{}")

    reclaimer = Reclaimer(backend.redis)
    reclaimer.start()
    async with asyncio.timeout(WAIT_LIMIT):
        for tag in tags:
            while await execute("EXISTS", keys.garbage(tag)):
                await asyncio.sleep(0.02)
            assert not await execute("EXISTS", keys.expiries(tag))
        while await execute("EXISTS", keys.GARBAGE):
            await asyncio.sleep(0.02)
    await reclaimer.stop()
    await execute("HDEL", keys.SERVICES, service_sid)


async def test_collections_under_chosen_sids_are_used_by_names_of_other_shards(
    backend: Backend, cluster: Cluster
) -> None:
    service_sid = f"IS{secrets.token_hex(16)}"
    apart = 0
    for n in range(COLLECTIONS):
        name, sid = f"name {n}", make_sid(MAP, (21 * n) % 256, secrets.token_bytes(15))
        await backend.chosen_sids.create(service_sid, sid, ALICE, NewObject(name=name))
        by_name = Collection(backend.items, ObjectAddress(service_sid, MAP, name))
        by_sid = Collection(backend.items, ObjectAddress(service_sid, MAP, sid))
        apart += cluster.master_of(by_name.at.tag) is not cluster.master_of(by_sid.at.tag)
        item = await by_name.put("k", b'{"n":1}', op=f"op {n}")
        assert await by_name.get("k") == await by_sid.get("k") == item
        assert (await by_name.write(Verb.PUT, "k", b'{"n":1}', op=f"op {n}")).is_repeated
        assert await by_name.keys() == ["k"]
        await backend.objects.remove(by_name.at, ALICE)
        await refused(by_name.put("k"), Code.NAME_NOT_FOUND)
    assert apart > 0


@pytest.mark.parametrize("is_written_since", [False, True])
async def test_a_failover_that_loses_item_writes_leaves_nobody_with_them(
    cluster: Cluster, is_written_since: bool
) -> None:
    service_sid = f"IS{secrets.token_hex(16)}"
    async with backend_on(cluster) as here, backend_on(cluster) as there:
        map_ = await make(here.objects, here.items, service_sid, MAP)
        revisions = [(await map_.put("k", b'{"n":1}')).revision]
        inboxes = [Inbox(), Inbox()]
        topics = [
            await opened(backend, map_, inbox)
            for backend, inbox in zip((here, there), inboxes, strict=True)
        ]
        master = cluster.master_of(map_.at.tag)
        replica = cluster.replica_of(master)
        await cluster.until_replicated(master)
        # Stopped first, so that it does not come back for what it misses.
        replica.signal(signal.SIGSTOP)
        await master.ask("CLIENT", "KILL", "TYPE", "replica")
        for key in ("k", "new"):
            revisions.append((await map_.put(key, b'{"n":2}')).revision)
            for inbox in inboxes:
                await inbox.next()
        master.signal(signal.SIGKILL)
        replica.signal(signal.SIGCONT)
        await cluster.until_promoted(replica)
        if is_written_since:
            revisions.append(await _written(map_))
        for inbox in inboxes:
            await _restored(inbox)
        assert await map_.keys() == (["k", "other"] if is_written_since else ["k"])
        stored = await map_.get("k")
        assert stored is not None and stored.data == b'{"n":1}'
        assert min(topic.revision for topic in topics) >= max(revisions)
        last = (await map_.put("k")).revision
        async with asyncio.timeout(WAIT_LIMIT):
            while {topic.revision for topic in topics} != {last}:
                await asyncio.sleep(0.02)
        assert last > max(revisions)
        assert len(set(revisions)) == len(revisions)


async def _written(map_: Collection) -> int:
    """The revision of the first write that the new master takes."""
    async with asyncio.timeout(WAIT_LIMIT):
        while True:
            try:
                return (await map_.put("other")).revision
            except Refusal:
                await asyncio.sleep(0.02)


async def _restored(inbox: Inbox) -> None:
    """Wait until a subscriber reads all items again, or receives the stored ones."""
    async with asyncio.timeout(WAIT_LIMIT):
        while not any(_restores(event) for event in inbox.rest()):
            await asyncio.sleep(0.02)


def _restores(event: Event) -> bool:
    return isinstance(event, ItemsReset) or (
        isinstance(event, ItemsChanged)
        and any(each.item.key == "k" and each.item.data == b'{"n":1}' for each in event.changes)
    )
