"""Large lists and maps that were removed are freed in portions, by any process."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator

import httpx2
import pytest

from support.items import ALICE, Collection, make
from support.server import StartServer
from support.store import WAIT_LIMIT, Elapse, Store
from syncline_protocol.item_commands import ItemOperation, Verb
from syncline_protocol.objects import LIST, MAP, ObjectType
from syncline_protocol.sids import make_sid
from syncline_server.observability.metrics import Meters
from syncline_server.storage import deletions as storage_deletions
from syncline_server.storage import keys, reclaimer
from syncline_server.storage.chosen_sids import ChosenSids
from syncline_server.storage.deletions import Deletions
from syncline_server.storage.expiry import Sweeper
from syncline_server.storage.items import Items
from syncline_server.storage.keys import ObjectAddress
from syncline_server.storage.objects import NewObject, Objects
from syncline_server.storage.reclaimer import Reclaimer
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.redis.connection import Connection
from syncline_server.storage.scripts import RECLAIM, by_name

COUNT = 700
"""Items of a collection that is too large to be freed at once."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reclaimer, "CHECK_INTERVAL", 0.02)
    monkeypatch.setattr(reclaimer, "PAUSE", 0.0)
    monkeypatch.setattr(reclaimer, "SHARE", 0.5)
    monkeypatch.setattr(reclaimer, "LEASE_MS", 300)
    monkeypatch.setattr(reclaimer, "RENEWAL_INTERVAL", 0.1)
    monkeypatch.setattr(storage_deletions, "CHECK_INTERVAL", 0.02)
    monkeypatch.setattr(storage_deletions, "GRACE", 0.1)


@pytest.fixture
def meters() -> Meters:
    return Meters()


@pytest.fixture
async def reclaiming(redis: Redis, meters: Meters) -> AsyncIterator[Reclaimer]:
    """A reclaimer that does not run yet."""
    reclaimer = Reclaimer(redis, meters)
    yield reclaimer
    await reclaimer.stop()


async def fill(collection: Collection, count: int = COUNT, *, ttl: int | None = None) -> None:
    """Add items, and remove a third of them."""
    is_list = collection.at.type is LIST
    kept: list[str] = []
    for start in range(0, count, 100):
        names = [None if is_list else f"{n:05}" for n in range(start, min(start + 100, count))]
        writes = [
            ItemOperation(verb=Verb.ADD, key=name, data=b'{"n":1}', ttl=ttl) for name in names
        ]
        written = await collection.items.write(collection.at, writes, ALICE)
        kept += [change.item.key for change in written.changes]
    for start in range(0, count // 3, 100):
        gone = kept[start : min(start + 100, count // 3)]
        removals = [ItemOperation(verb=Verb.REMOVE, key=name) for name in gone]
        await collection.items.write(collection.at, removals, ALICE)


async def keys_of(admin: Connection, service_sid: str) -> list[bytes]:
    """The keys of a service that do not end by themselves."""
    found: list[bytes] = await admin.execute("KEYS", f"*{service_sid}*")
    lasting = (b":last_ended", b":filled", b":due")
    return [key for key in found if not key.endswith(lasting) and b":ended:" not in key]


async def garbage_of(admin: Connection, tag: str) -> list[bytes]:
    found: list[bytes] = await admin.execute("SMEMBERS", keys.garbage(tag))
    return found


async def until_nothing_is_left(admin: Connection, service_sid: str) -> None:
    async with asyncio.timeout(WAIT_LIMIT):
        while await keys_of(admin, service_sid) or await indexed(admin, service_sid):
            await asyncio.sleep(0.01)


async def indexed(admin: Connection, service_sid: str) -> list[bytes]:
    """The entries of a service in the index of garbage."""
    entries = await admin.execute("SMEMBERS", keys.GARBAGE)
    return [entry for entry in entries if entry.startswith(service_sid.encode())]


@pytest.mark.parametrize("type_", [LIST, MAP])
async def test_a_removal_renames_large_keys_and_nothing_is_left_in_the_end(
    objects: Objects,
    items: Items,
    service_sid: str,
    admin: Connection,
    reclaiming: Reclaimer,
    meters: Meters,
    type_: ObjectType,
) -> None:
    collection = await make(objects, items, service_sid, type_)
    await fill(collection)
    await objects.remove(collection.at, ALICE)
    sid = collection.at.sid.encode()
    parts = {name.split(b":")[0] for name in await garbage_of(admin, collection.at.tag)}
    assert parts == {b"items", b"order", b"changes", b"removed"}
    assert not any(key.endswith(b":" + sid) for key in await keys_of(admin, service_sid))
    assert await objects.get(collection.at) is None

    reclaiming.start()
    await until_nothing_is_left(admin, service_sid)
    # A record of each item that was there; the order and last change of each that is not removed.
    assert meters.reclaimed >= 2 * COUNT


async def test_a_small_collection_is_freed_at_once(
    objects: Objects, items: Items, service_sid: str, admin: Connection
) -> None:
    collection = await make(objects, items, service_sid, MAP)
    await fill(collection, 90)
    await objects.remove(collection.at, ALICE)
    assert await keys_of(admin, service_sid) == []
    assert await indexed(admin, service_sid) == []


async def test_portions_are_small(
    objects: Objects, items: Items, service_sid: str, admin: Connection, redis: Redis
) -> None:
    collection = await make(objects, items, service_sid, MAP)
    await fill(collection)
    await objects.remove(collection.at, ALICE)
    name = next(
        name for name in await garbage_of(admin, collection.at.tag) if name.startswith(b"order:")
    )
    key = f"{keys.garbage(collection.at.tag)}:{name.decode()}"
    before = await admin.execute("ZCARD", key)
    arguments = by_name({"count": 50, "name": name, "whole": 1})
    freed, micros, *rest = await redis.run(RECLAIM, collection.at.tag, *arguments)
    assert (freed, await admin.execute("ZCARD", key)) == (50, before - 50)
    assert micros > 0
    assert rest == [name, b"0"]


async def test_a_collection_with_the_same_name_and_sid_lives_while_the_earlier_one_is_freed(
    redis: Redis,
    objects: Objects,
    items: Items,
    service_sid: str,
    admin: Connection,
    reclaiming: Reclaimer,
) -> None:
    """Its items expire as they should: those of the earlier one had the same keys."""
    chosen = ChosenSids(redis, objects)
    sid = make_sid(MAP, 7, secrets.token_bytes(15))
    at = ObjectAddress(service_sid, MAP, sid)
    for _ in range(3):
        await chosen.create(service_sid, sid, ALICE, NewObject(name="board"))
        collection = Collection(items, at)
        assert await collection.keys() == []
        await fill(collection, ttl=1000)
        await objects.remove(at, ALICE)
    await chosen.create(service_sid, sid, ALICE, NewObject(name="board"))
    await collection.put("00699", b'{"n":2}', ttl=2000)
    await fill(Collection(items, at), 300, ttl=3000)
    expiring = 200 + 1
    assert len(await garbage_of(admin, at.tag)) == 12

    reclaiming.start()
    async with asyncio.timeout(WAIT_LIMIT):
        while await admin.execute("EXISTS", keys.garbage(at.tag)):
            await asyncio.sleep(0.01)
    item = await collection.get("00699")
    assert item is not None and item.data == b'{"n":2}'
    assert len(await collection.keys(size=500)) == expiring
    for key in ("00699", "00299"):
        assert await admin.execute("ZSCORE", keys.expiries(at.tag), f"{sid}/{key}") is not None


async def test_expiries_of_the_items_are_removed_with_them(
    objects: Objects, items: Items, service_sid: str, admin: Connection, reclaiming: Reclaimer
) -> None:
    collection = await make(objects, items, service_sid, LIST)
    await fill(collection, ttl=100_000)
    await objects.remove(collection.at, ALICE)
    assert await admin.execute("ZCARD", keys.expiries(collection.at.tag)) > 0
    reclaiming.start()
    await until_nothing_is_left(admin, service_sid)


async def test_a_collection_that_expires_is_freed(
    redis: Redis,
    objects: Objects,
    items: Items,
    service_sid: str,
    admin: Connection,
    reclaiming: Reclaimer,
    elapse: Elapse,
) -> None:
    await admin.execute("HSET", keys.SERVICES, service_sid, "{}")
    collection = await make(objects, items, service_sid, MAP)
    await fill(collection, ttl=500)
    await objects.update(collection.at, ALICE, ttl=60)
    await elapse(61_000)
    sweeper = Sweeper(redis, objects, items, 0.02)
    sweeper.start()
    reclaiming.start()
    await until_nothing_is_left(admin, service_sid)
    await sweeper.stop()
    await admin.execute("HDEL", keys.SERVICES, service_sid)


async def test_a_service_that_is_deleted_is_freed(
    redis: Redis,
    objects: Objects,
    items: Items,
    service_sid: str,
    admin: Connection,
    reclaiming: Reclaimer,
) -> None:
    """Its lists and maps, and its own large keys."""
    for type_ in (LIST, MAP):
        await fill(await make(objects, items, service_sid, type_), ttl=500)
    tag = keys.bucket_tag(service_sid, 3)
    for n in range(COUNT):
        await admin.execute("XADD", keys.webhook_queue(tag), "*", "k", "item")
        await admin.execute("HSET", keys.names(tag, MAP), f"pointer {n}", "MP")
        await admin.execute("HSET", keys.webhooks_parked(service_sid), n, "{}")
    await admin.execute("HSET", keys.DELETIONS, service_sid, "{}")
    deletions = Deletions(redis, objects)
    deletions.start()
    reclaiming.start()
    async with asyncio.timeout(WAIT_LIMIT):
        while await admin.execute("HEXISTS", keys.DELETIONS, service_sid):
            await asyncio.sleep(0.01)
    await until_nothing_is_left(admin, service_sid)
    assert await admin.execute("KEYS", f"*{service_sid}*:filled") == []
    await deletions.stop()


async def test_nothing_is_freed_while_the_disk_is_full(
    redis: Redis,
    objects: Objects,
    items: Items,
    service_sid: str,
    admin: Connection,
    reclaiming: Reclaimer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Freeing writes to the file of Redis. It goes on when writes do."""
    monkeypatch.setattr(reclaimer, "PORTION", 1)
    monkeypatch.setattr(reclaimer, "LEASE_MS", 5000)
    collection = await make(objects, items, service_sid, MAP)
    await fill(collection)
    await objects.remove(collection.at, ALICE)
    reclaiming.start()
    async with asyncio.timeout(WAIT_LIMIT):
        while not await admin.execute("EXISTS", keys.RECLAIMER):
            await asyncio.sleep(0.001)
    redis.refuse_writes("the disk is full")
    async with asyncio.timeout(WAIT_LIMIT):
        while await admin.execute("EXISTS", keys.RECLAIMER):
            await asyncio.sleep(0.01)
    assert await garbage_of(admin, collection.at.tag)
    monkeypatch.setattr(reclaimer, "PORTION", 250)
    redis.refuse_writes(None)
    await until_nothing_is_left(admin, service_sid)


async def test_another_process_goes_on(
    redis: Redis, objects: Objects, items: Items, service_sid: str, admin: Connection
) -> None:
    """After one that stopped in the middle of a key, and left its lease."""
    collection = await make(objects, items, service_sid, MAP)
    await fill(collection)
    await objects.remove(collection.at, ALICE)
    name = next(
        name for name in await garbage_of(admin, collection.at.tag) if name.startswith(b"items:")
    )
    arguments = by_name({"count": 50, "name": name, "whole": 1})
    freed, _, *_ = await redis.run(RECLAIM, collection.at.tag, *arguments)
    assert freed < COUNT
    await admin.execute("SET", keys.RECLAIMER, "one who died", "PX", 200)

    both = [Reclaimer(redis) for _ in range(2)]
    for each in both:
        each.start()
    await until_nothing_is_left(admin, service_sid)
    for each in both:
        await each.stop()
    assert await admin.execute("EXISTS", keys.RECLAIMER) == 0


async def test_a_server_frees_what_one_that_was_killed_left(fresh_server: StartServer) -> None:
    server = await asyncio.to_thread(fresh_server)
    async with httpx2.AsyncClient(
        base_url=server.url, auth=server.basic, timeout=WAIT_LIMIT
    ) as http:
        for name in "abc":
            maps = "/v1/Services/default/Maps"
            assert (await http.post(maps, data={"UniqueName": name})).status_code == 201
            for start in range(0, COUNT, 100):
                body = [
                    {"op": "add", "key": f"{n}", "data": {}, "ttl": 9000}
                    for n in range(start, start + 100)
                ]
                added = await http.post(f"{maps}/{name}/Batch", json={"operations": body})
                assert added.status_code == 200
        for name in "abc":
            assert (await http.delete(f"{maps}/{name}")).status_code == 204
    await asyncio.to_thread(server.kill)
    await asyncio.to_thread(server.restart)

    async with Store(f"unix://{server.data_dir}/redis/redis.sock", 0).connected() as admin:
        async with asyncio.timeout(WAIT_LIMIT):
            while await admin.execute("KEYS", "*garbage*") or await admin.execute(
                "KEYS", "*:expiries"
            ):
                await asyncio.sleep(0.02)
        assert not await admin.execute("KEYS", "*:items:*")


async def test_what_an_earlier_version_left_goes_away(
    redis: Redis,
    objects: Objects,
    items: Items,
    service_sid: str,
    admin: Connection,
    elapse: Elapse,
) -> None:
    """It freed the items of a removed map itself, and left their expiries."""
    await admin.execute("HSET", keys.SERVICES, service_sid, "{}")
    collection = await make(objects, items, service_sid, MAP)
    await fill(collection, ttl=60)
    await admin.execute("DEL", f"{collection.at.tag}:map:{collection.at.sid}")
    for part in ("items", "order", "changes", "removed"):
        await admin.execute("UNLINK", f"{collection.at.tag}:{part}:{collection.at.sid}")
    await admin.execute("ZREM", keys.listing(collection.at.tag, MAP), collection.at.sid)
    assert await admin.execute("ZCARD", keys.expiries(collection.at.tag)) > 100
    await elapse(61_000)
    sweeper = Sweeper(redis, objects, items, 0.02)
    sweeper.start()
    await until_nothing_is_left(admin, service_sid)
    await sweeper.stop()
    await admin.execute("HDEL", keys.SERVICES, service_sid)
