"""The poll of the data set: which process has the lease of the periodic work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from support.limits import WAIT_LIMIT
from support.store import Elapse, Publications, Service, Store, eventually
from syncline_protocol.objects import Removed
from syncline_server.observability.tasks import PeriodicTask
from syncline_server.storage import data_set_poll, keys, periodic_lease
from syncline_server.storage.change_watcher import ChangeWatcher, make_version
from syncline_server.storage.data_set_poll import DataSetPoll
from syncline_server.storage.expiry import Sweeper
from syncline_server.storage.items import Items
from syncline_server.storage.objects import Objects
from syncline_server.storage.periodic_lease import PeriodicLease
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.redis.connection import Connection

LONG = 3_600_000
SHORT = 100
"""Milliseconds of a lease."""

assert periodic_lease.LEASE_MS / 1000 + data_set_poll.POLL_INTERVAL <= 2.0  # as documented

VERSION = f"{keys.ALL_SERVICES}:watched"


class Process:
    """What one process has.

    Attributes:
        gains: how often it got the lease.
    """

    def __init__(self, redis: Redis) -> None:
        self.lease = PeriodicLease()
        self.poll = DataSetPoll(redis, self.lease)
        self.gains = 0
        self.lease.on_gain(self._count)

    def _count(self) -> None:
        self.gains += 1

    async def pause(self) -> None:
        """Poll no more, without giving the lease back, as a process that is stopped."""
        await PeriodicTask.stop(self.poll)


SetLease = Callable[[int], None]


@pytest.fixture
def set_lease(monkeypatch: pytest.MonkeyPatch) -> SetLease:
    """Sets for how many milliseconds a lease lasts."""

    def set_lease(ms: int) -> None:
        for module in (data_set_poll, periodic_lease):
            monkeypatch.setattr(module, "LEASE_MS", ms)

    return set_lease


@pytest.fixture(autouse=True)
async def polling_often(
    admin: Connection, monkeypatch: pytest.MonkeyPatch, set_lease: SetLease
) -> None:
    monkeypatch.setattr(data_set_poll, "POLL_INTERVAL", 0.02)
    set_lease(LONG)  # a busy machine must not let it lapse
    await admin.execute("DEL", keys.PERIODIC_LEASE, VERSION)


@pytest.fixture
async def here(redis: Redis) -> AsyncIterator[Process]:
    process = Process(redis)
    process.poll.start()
    await eventually(lambda: process.lease.is_held)
    yield process
    await process.poll.stop()


@pytest.fixture
async def elsewhere(here: Process, redis: Redis) -> AsyncIterator[Process]:
    """A process that polls, and finds that the other one has the lease."""
    process = Process(redis)
    process.poll.start()
    await process.poll.run_again()
    assert here.gains == 1 and process.gains == 0
    yield process
    await process.poll.stop()


@pytest.fixture
def sweeper(redis: Redis, objects: Objects, items: Items, here: Process) -> Sweeper:
    """The sweeper of the process that has the lease."""
    return Sweeper(redis, objects, items, 3600, lease=here.lease)


async def expired(published: Publications) -> str:
    """The SID of the one document whose expiry is published."""
    async with asyncio.timeout(WAIT_LIMIT):
        while not (events := await published.take()):
            await asyncio.sleep(0.005)
    [event] = events
    assert isinstance(event, Removed) and event.expired
    return event.sid


async def test_one_process_has_the_lease_and_keeps_it(here: Process, elsewhere: Process) -> None:
    for _ in range(5):
        await elsewhere.poll.run_again()
        await here.poll.run_again()
    assert here.gains == 1 and elsewhere.gains == 0


async def test_a_process_that_stops_gives_it_to_another(
    here: Process, elsewhere: Process, admin: Connection
) -> None:
    await here.poll.stop()
    assert not here.lease.is_held
    await elsewhere.poll.run_again()
    assert elsewhere.lease.is_held
    holder = await admin.execute("GET", keys.PERIODIC_LEASE)
    assert holder == elsewhere.lease.holder.encode()


async def test_a_process_that_is_paused_loses_it_before_another_has_it(
    here: Process, elsewhere: Process, set_lease: SetLease
) -> None:
    held: list[bool] = []
    elsewhere.lease.on_gain(lambda: held.append(here.lease.is_held))
    set_lease(SHORT)
    await here.poll.run_again()
    await here.pause()
    await eventually(lambda: held)
    assert held == [False]
    # When it goes on, it does nothing until the other one is away.
    set_lease(LONG)
    await elsewhere.poll.run_again()
    here.poll.start()
    await here.poll.run_again()
    assert elsewhere.lease.is_held and not here.lease.is_held


async def test_a_redis_that_was_away_ends_nothing(
    here: Process, store: Store, redis: Redis, admin: Connection
) -> None:
    await admin.execute("DEL", keys.PERIODIC_LEASE)  # as a failover that lost it
    await eventually(lambda: here.lease.is_held)
    await store.cut("normal")
    await eventually(lambda: redis.connected)
    await here.poll.run_again()
    assert here.lease.is_held


async def test_without_memory_for_a_lease_every_process_works_and_follows_changes(
    here: Process, redis: Redis, admin: Connection
) -> None:
    other, readings = Process(redis), 0

    async def read() -> None:
        nonlocal readings
        readings += 1

    watcher = ChangeWatcher(redis, VERSION, read, other.poll)
    await admin.execute("SET", VERSION, make_version())
    await here.pause()
    await admin.execute("DEL", keys.PERIODIC_LEASE)
    await admin.execute("CONFIG", "SET", "maxmemory", 1)
    try:
        watcher.start()
        other.poll.start()
        await other.poll.run_again()
        assert other.lease.is_held
        await eventually(lambda: watcher.is_current)
        assert readings == 1
        assert await admin.execute("GET", keys.PERIODIC_LEASE) is None
    finally:
        await admin.execute("CONFIG", "SET", "maxmemory", 0)
        await watcher.stop()
        await other.poll.stop()


async def test_one_poll_is_one_command_for_all_versions(
    here: Process, redis: Redis, admin: Connection
) -> None:
    async def read() -> None:
        pass

    watchers = [ChangeWatcher(redis, f"{VERSION}{n}", read, here.poll) for n in range(3)]
    for each in watchers:
        each.start()
    await admin.execute("CONFIG", "RESETSTAT")
    await eventually(lambda: all(each.is_current for each in watchers))
    counts = (await admin.execute("INFO", "commandstats")).decode()
    assert "cmdstat_mget:" in counts
    # `LEASE` has one GET; the watchers send none.
    script = counts.partition("cmdstat_evalsha:calls=")[2].partition(",")[0]
    assert counts.partition("cmdstat_get:calls=")[2].partition(",")[0] == script
    for each in watchers:
        await each.stop()


async def test_who_gets_the_lease_finds_what_a_sweep_lost_that_was_broken_off(
    service: Service,
    sweeper: Sweeper,
    here: Process,
    published: Publications,
    admin: Connection,
    elapse: Elapse,
) -> None:
    await admin.execute("HSET", keys.SERVICES, service.sid, "{}")
    sweeper.start()
    await sweeper.run_again()  # inspects all buckets, and then not for a long time
    document = await service.create("prefs", ttl=60)
    await elapse(61_000)
    await admin.execute("DEL", keys.due(service.sid))
    here.lease.update(False, 0.0)
    await eventually(lambda: here.gains == 2)
    assert await expired(published) == document.sid
    await sweeper.stop()
    await admin.execute("HDEL", keys.SERVICES, service.sid)


async def test_a_process_without_the_lease_sweeps_only_when_it_is_asked(
    service: Service,
    objects: Objects,
    items: Items,
    elsewhere: Process,
    redis: Redis,
    published: Publications,
    admin: Connection,
    elapse: Elapse,
) -> None:
    sweeper = Sweeper(redis, objects, items, 0.02, lease=elsewhere.lease)
    await admin.execute("HSET", keys.SERVICES, service.sid, "{}")
    document = await service.create("prefs", ttl=60)
    await elapse(61_000)
    sweeper.start()
    for _ in range(3):
        await PeriodicTask.run_again(sweeper)
    assert await admin.execute("ZCARD", keys.expiries(keys.tag_of(service.sid, "prefs"))) == 1
    await sweeper.run_again()
    assert await expired(published) == document.sid
    await sweeper.stop()
    await admin.execute("HDEL", keys.SERVICES, service.sid)
