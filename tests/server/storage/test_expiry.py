from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from support.store import WAIT_LIMIT, Clock, Elapse, Publications, Service, Store
from syncline_protocol.documents import Document
from syncline_protocol.objects import Removed
from syncline_protocol.sids import bucket_of_name
from syncline_server.config.settings import Settings
from syncline_server.storage import expiry, keys
from syncline_server.storage.errors import Unavailable
from syncline_server.storage.expiry import Sweeper
from syncline_server.storage.items import Items
from syncline_server.storage.objects import Objects
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.redis.clock import now_ms
from syncline_server.storage.redis.connection import Connection
from syncline_server.storage.webhooks import WebhookPolicy

INTERVAL = 0.02
"""Seconds between sweeps here."""

IN_TIME_MS = 1000
"""Subscribers receive an expiry within this."""


@pytest.fixture
async def known(service: Service, store: Store) -> AsyncIterator[Service]:
    """The service, known as one: the sweeper sweeps no others."""
    async with store.connected() as connection:
        await connection.execute("HSET", keys.SERVICES, service.sid, "{}")
    yield service
    async with store.connected() as connection:
        await connection.execute("HDEL", keys.SERVICES, service.sid)


@pytest.fixture
def sweeper(redis: Redis, objects: Objects, items: Items) -> Sweeper:
    return Sweeper(redis, objects, items, INTERVAL)


@pytest.fixture
async def sweeping(known: Service, sweeper: Sweeper) -> AsyncIterator[Service]:
    """The service while it is swept."""
    sweeper.start()
    yield known
    await sweeper.stop()


async def expired(published: Publications, count: int) -> list[Removed]:
    """The next expiries that are published."""
    events: list[Removed] = []
    async with asyncio.timeout(WAIT_LIMIT):
        while len(events) < count:
            events += [event for event in await published.take() if isinstance(event, Removed)]
            await asyncio.sleep(0.005)
    assert all(event.expired and event.by == "system" for event in events)
    return events


async def test_subscribers_receive_an_expiry_in_time(
    sweeping: Service, published: Publications
) -> None:
    document = await sweeping.create("prefs", ttl=1)
    await sweeping.create("stays", ttl=100)
    [event] = await expired(published, 1)
    assert (event.sid, event.unique_name) == (document.sid, "prefs")
    assert (event.previous, event.revision > document.revision) == (document.revision, True)
    assert document.expires_ms is not None
    assert 0 <= event.at_ms - document.expires_ms < IN_TIME_MS
    assert await sweeping.get("stays") is not None


async def test_nothing_stays_of_what_has_expired(
    sweeping: Service, published: Publications, admin: Connection
) -> None:
    await sweeping.create("prefs", ttl=1)
    await expired(published, 1)
    left = await admin.execute("KEYS", f"{{{sweeping.sid}*")
    left = [key for key in left if not key.endswith(b":last_ended")]
    assert left == [keys.filled(sweeping.sid).encode()]


async def test_a_moved_deadline_is_the_one_that_counts(
    sweeping: Service, published: Publications, elapse: Elapse
) -> None:
    for name, first, then in [("sooner", 1000, 10), ("later", 10, 1000), ("never", 10, 0)]:
        await sweeping.create(name, ttl=first)
        await sweeping.set(name, ttl=then)
    await elapse(11_000)
    [event] = await expired(published, 1)
    assert event.unique_name == "sooner"
    # The others' first deadlines are past too.
    assert await sweeping.get("later") is not None
    assert await sweeping.get("never") is not None


async def test_many_that_expire_at_once_are_reported_in_time(
    known: Service,
    redis: Redis,
    items: Items,
    published: Publications,
    elapse: Elapse,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also where one bucket holds far more than are removed at once."""
    monkeypatch.setattr(expiry, "BATCH", 10)
    monkeypatch.setattr(expiry, "PASSES", 5)
    sweeper = Sweeper(redis, known.objects, items, interval=0.5)
    numbers = (n for n in range(1_000_000) if bucket_of_name(f"{n}") == 7)
    names = [f"{next(numbers)}" for _ in range(200)]
    made = await asyncio.gather(*(known.create(name, ttl=60) for name in names))
    await elapse(61_000)
    sweeper.start()
    events = await expired(published, 200)
    await sweeper.stop()
    assert {event.sid for event in events} == {document.sid for document in made}
    assert len(events) == 200
    first, last = min(e.at_ms for e in events), max(e.at_ms for e in events)
    assert last - first < IN_TIME_MS


async def test_what_expired_while_nobody_swept_is_made_up_for(
    known: Service, sweeper: Sweeper, published: Publications, elapse: Elapse
) -> None:
    await known.create("prefs", ttl=60)
    await elapse(3_600_000)
    sweeper.start()
    [event] = await expired(published, 1)
    assert event.unique_name == "prefs"
    await sweeper.stop()


async def test_a_lost_index_of_due_times_is_made_again_at_the_start(
    known: Service, sweeper: Sweeper, published: Publications, admin: Connection, elapse: Elapse
) -> None:
    await known.create("prefs", ttl=60)
    await admin.execute("DEL", keys.due(known.sid))
    await elapse(61_000)
    sweeper.start()
    await expired(published, 1)
    await sweeper.stop()


async def test_a_lost_index_of_due_times_is_made_again_in_time(
    known: Service,
    sweeper: Sweeper,
    published: Publications,
    admin: Connection,
    elapse: Elapse,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(expiry, "INSPECTION_INTERVAL", 0.1)
    sweeper.start()
    for name in ("first", "second"):
        await known.create(name, ttl=60)
        await admin.execute("DEL", keys.due(known.sid))
        await elapse(61_000)
        [event] = await expired(published, 1)
        assert event.unique_name == name
    await sweeper.stop()


async def test_a_break_in_the_middle_of_a_sweep_loses_nothing(
    sweeping: Service, published: Publications, elapse: Elapse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bucket had been taken off the index when Redis went away."""
    expire, breaks = sweeping.objects.expire, 1

    async def broken(service_sid: str, sid: str, webhooks: WebhookPolicy | None) -> None:
        nonlocal breaks
        if breaks:
            breaks -= 1
            raise Unavailable("The store is unavailable.")
        await expire(service_sid, sid, webhooks)

    monkeypatch.setattr(sweeping.objects, "expire", broken)
    await sweeping.create("first", ttl=60)
    await elapse(61_000)
    [event] = await expired(published, 1)
    assert (event.unique_name, breaks) == ("first", 0)


@pytest.mark.parametrize("offset_ms", [-3_600_000, -5_000, 5_000, 3_600_000])
async def test_a_server_whose_clock_is_wrong_sweeps_in_time_too(
    sweeping: Service, published: Publications, clock: Clock, offset_ms: int
) -> None:
    """Neither early nor late: the clock of Redis decides."""
    clock.offset_ms = offset_ms
    await sweeping.create("stays", ttl=100)
    document = await sweeping.create("prefs", ttl=1)
    [event] = await expired(published, 1)
    assert document.expires_ms is not None
    assert 0 <= event.at_ms - document.expires_ms < IN_TIME_MS
    assert await sweeping.get("stays") is not None


async def test_two_sweepers_remove_each_document_once(
    sweeping: Service, store: Store, published: Publications, elapse: Elapse
) -> None:
    second = Redis(store.engine, WAIT_LIMIT)
    await second.start()
    objects = Objects(second, 60)
    other = Sweeper(second, objects, Items(second, objects, Settings()), INTERVAL)
    other.start()
    made: list[Document] = await asyncio.gather(*(sweeping.create(ttl=60) for _ in range(100)))
    await elapse(61_000)
    events = await expired(published, 100)
    assert sorted(event.sid for event in events) == sorted(document.sid for document in made)
    await other.stop()
    await second.stop()
    assert await published.take() == []


async def test_an_index_that_names_what_is_not_there_holds_up_nobody(
    sweeping: Service,
    published: Publications,
    admin: Connection,
    elapse: Elapse,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As where somebody has deleted documents' keys by hand."""
    monkeypatch.setattr(expiry, "BATCH", 2)
    document = await sweeping.create("prefs", ttl=60)
    tag = keys.tag_of(sweeping.sid, "prefs")
    ghosts = [f"ET{document.sid[2:4]}{n:030x}" for n in range(5)]
    for ghost in ghosts:
        await admin.execute("ZADD", keys.expiries(tag), 1, ghost)
    await elapse(61_000)
    [event] = await expired(published, 1)
    assert event.sid == document.sid
    assert await admin.execute("EXISTS", keys.expiries(tag)) == 0


async def test_it_looks_only_at_buckets_in_which_something_is_due(
    sweeping: Service, admin: Connection, elapse: Elapse, published: Publications
) -> None:
    await sweeping.create("soon", ttl=60)
    await sweeping.create("late", ttl=3600)
    await elapse(61_000)
    await expired(published, 1)
    [bucket, moment] = await admin.execute("ZRANGE", keys.due(sweeping.sid), 0, -1, "WITHSCORES")
    assert int(bucket, 16) == bucket_of_name("late")
    assert int(moment) > now_ms()


async def test_few_removals_are_under_way_at_once_whatever_buckets_are_due(
    known: Service,
    sweeper: Sweeper,
    published: Publications,
    elapse: Elapse,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every other commit waits in Redis for those that were sent before."""
    made = await asyncio.gather(*(known.create(f"name {n}", ttl=60) for n in range(300)))
    objects, under_way, most = known.objects, 0, 0
    remove = objects.expire

    async def counted(service_sid: str, sid: str, webhooks: WebhookPolicy | None = None) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await remove(service_sid, sid, webhooks)
        under_way -= 1

    monkeypatch.setattr(objects, "expire", counted)
    await elapse(61_000)
    sweeper.start()
    events = await expired(published, len(made))
    await sweeper.stop()
    assert {event.sid for event in events} == {document.sid for document in made}
    assert most <= expiry.OBJECT_COMMITS
