"""Readers of collections that come back, read slowly, or open a part."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from support.backend import make_backend
from support.data_snapshot import DataSnapshot
from support.items import ALICE, Collection, make
from support.readers import PAGE, Reader, Replica, stored
from support.store import Elapse, eventually
from syncline_protocol.commands import Get, SetTtl
from syncline_protocol.errors import Code
from syncline_protocol.item_commands import (
    ItemOperation,
    ItemQuery,
    OpenCollection,
    Part,
    Verb,
    WriteItem,
)
from syncline_protocol.items import ItemsChanged
from syncline_protocol.objects import MAP, Event, ExpiryChanged, Removed
from syncline_server.backend import Backend
from syncline_server.config.settings import Settings
from syncline_server.objects.access import Access
from syncline_server.observability.metrics import Limit
from syncline_server.pubsub.topic import Topic
from syncline_server.realtime.pending_events import PENDING_LIMIT
from syncline_server.realtime.results import Opened
from syncline_server.storage import items as stored_items
from syncline_server.storage.permissions import Permissions
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.redis.connection import Connection
from syncline_server.storage.rights import Right

WAITING = 8
MARK = 1000


@pytest.fixture
async def backend(redis: Redis) -> AsyncIterator[Backend]:
    backend = make_backend(redis, Settings(waiting_items=WAITING, tombstones=3))
    backend.hub.start()
    await eventually(lambda: backend.hub.live)
    yield backend
    await backend.hub.stop()


@pytest.fixture
async def map_(backend: Backend, service_sid: str) -> Collection:
    return await make(backend.objects, backend.items, service_sid, MAP)


Connect = Callable[..., Reader]


@pytest.fixture
def connect(backend: Backend, service_sid: str) -> Connect:
    """Connects a reader."""

    def connect(**options: Any) -> Reader:
        return Reader(backend, Access(backend, service_sid, "alice"), mark=MARK, **options)

    return connect


async def until_current(replica: Replica, reader: Reader, map_: Collection) -> None:
    """Follow until the replica is what is stored."""
    wanted = await stored(reader.backend, reader.access, map_.at.sid, part=replica.part)
    for _ in range(2000):
        await replica.follow(reader, map_.at.sid)
        if replica.items == wanted:
            return
        await asyncio.sleep(0.005)
    assert replica.items == wanted


async def fall_behind(reader: Reader, map_: Collection, changes: int = 3 * WAITING) -> None:
    """Let a slow reader fall behind, by changes of as many items."""
    hits = reader.backend.meters.limit_hits
    before = hits[Limit.WAITING_ITEMS]
    reader.slow_down()
    for n in range(100):
        if hits[Limit.WAITING_ITEMS] > before:
            break
        for key in range(changes):
            await map_.put(f"late{key}", b'{"n":"%d"}' % n)
    assert hits[Limit.WAITING_ITEMS] > before


class TestOpening:
    async def test_a_page_and_the_events_after_it_have_no_gap(
        self,
        backend: Backend,
        map_: Collection,
        connect: Connect,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Others write between all steps of the opening."""
        reader, replica = connect(), Replica()
        make_live, page = backend.hub.make_live, backend.items.page

        async def write_around(topic: Topic) -> None:
            await map_.put("before live")
            await make_live(topic)
            await map_.put("after live")

        async def write_after(*arguments: Any) -> Any:
            found = await page(*arguments)
            for n in range(PENDING_LIMIT // 2):
                await map_.put(f"after page {n}")
            return found

        monkeypatch.setattr(backend.hub, "make_live", write_around)
        monkeypatch.setattr(backend.items, "page", write_after)
        await map_.put("first")
        opened = await replica.open(reader, map_.at.sid)
        monkeypatch.undo()
        assert opened.items is not None and opened.items.header == opened.state
        assert {"first", "before live", "after live"} <= {each.key for each in opened.items.items}
        await map_.put("live")
        await until_current(replica, reader, map_)
        assert replica.resets == 0

    async def test_more_events_than_may_be_blocked_are_read_from_the_store(
        self,
        backend: Backend,
        map_: Collection,
        connect: Connect,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        reader, replica = connect(), Replica()
        page, count = backend.items.page, 2 * PENDING_LIMIT

        async def write_after(*arguments: Any) -> Any:
            found = await page(*arguments)
            for n in range(count):
                await map_.put(f"{n}")
            topic = backend.hub._topics[map_.at.sid]
            newest = (await map_.put("last")).revision
            await eventually(lambda: topic.revision == newest)
            return found

        with monkeypatch.context() as patch:
            patch.setattr(backend.items, "page", write_after)
            opened = await replica.open(reader, map_.at.sid)
        assert opened.items is not None and not opened.items.items
        await until_current(replica, reader, map_)
        assert len(replica.items) == count + 1

    async def test_resuming_brings_only_what_changed(
        self, map_: Collection, connect: Connect
    ) -> None:
        reader, replica = connect(), Replica()
        for key in "abc":
            await map_.put(key)
        await replica.open(reader, map_.at.sid)
        await replica.follow(reader, map_.at.sid)
        reader.session.close()
        known = await replica.open(reader := connect(), map_.at.sid, resume=True)
        assert (known.known, known.replay, known.items) == (True, None, None)
        await replica.follow(reader, map_.at.sid)
        reader.session.close()
        await map_.put("b", b'{"n":1}')
        await map_.write(Verb.REMOVE, "c")
        await map_.put("new")
        await map_.write(Verb.REMOVE, "new")
        changed = await replica.open(reader := connect(), map_.at.sid, resume=True)
        assert changed.replay is not None
        assert [each.key for each in changed.replay.changes] == ["b", "c"]
        assert (changed.known, changed.replay.more_since) == (False, None)
        await map_.put("d")
        await until_current(replica, reader, map_)

    async def test_resuming_in_portions_ends_while_others_write(
        self, map_: Collection, connect: Connect, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(stored_items, "REPLAY_ITEMS", 5)
        reader, replica = connect(), Replica()
        await replica.open(reader, map_.at.sid)
        await replica.follow(reader, map_.at.sid)
        reader.session.close()
        for n in range(40):
            await map_.put(f"{n}")
        opened = await replica.open(reader := connect(), map_.at.sid, resume=True)
        assert opened.replay is not None and opened.replay.more_since is not None
        assert len(opened.replay.changes) == 5
        for n in range(60):
            await map_.put(f"{n}", b'{"n":1}')
        await until_current(replica, reader, map_)
        await map_.put("live")
        await until_current(replica, reader, map_)
        # Read from the store in portions, and then live again.
        assert any(isinstance(e, ItemsChanged) and len(e.changes) > 1 for e in reader.events)
        last = reader.events[-1]
        assert isinstance(last, ItemsChanged) and last.changes[0].item.key == "live"

    async def test_a_reader_from_before_the_horizon_reads_everything_again(
        self, map_: Collection, connect: Connect
    ) -> None:
        reader, replica = connect(), Replica()
        for n in range(10):
            await map_.put(f"{n}")
        await replica.open(reader, map_.at.sid)
        await replica.follow(reader, map_.at.sid)
        reader.session.close()
        for n in range(9):
            await map_.write(Verb.REMOVE, f"{n}")
        opened = await replica.open(reader := connect(), map_.at.sid, resume=True)
        assert opened.replay is not None and opened.replay.is_reset
        assert reader.backend.meters.limit_hits[Limit.TOMBSTONES] == 1
        await map_.put("live")
        await until_current(replica, reader, map_)
        assert (replica.resets, set(replica.items)) == (1, {"9", "live"})

    async def test_a_reader_that_knows_lost_writes_reads_everything_again(
        self, map_: Collection, connect: Connect, admin: Connection, service_sid: str
    ) -> None:
        reader, replica, snapshot = connect(), Replica(), DataSnapshot(admin, service_sid)
        await map_.put("kept")
        await snapshot.take()
        await map_.put("lost")
        await replica.open(reader, map_.at.sid)
        await replica.follow(reader, map_.at.sid)
        reader.session.close()
        await snapshot.put_back()
        before = replica.revision
        opened = await replica.open(reader := connect(), map_.at.sid, resume=True)
        assert opened.replay is not None and opened.replay.is_reset
        assert opened.state.revision > before
        await until_current(replica, reader, map_)
        assert set(replica.items) == {"kept"}


class TestSlowReaders:
    async def test_thousands_of_changes_wait_in_the_store(
        self, map_: Collection, connect: Connect
    ) -> None:
        reader, replica = connect(), Replica()
        await replica.open(reader, map_.at.sid)
        await fall_behind(reader, map_, 100)
        for n in range(20):
            puts = [
                ItemOperation(verb=Verb.PUT, key=f"{n} {i}", data=b'{"n":1}') for i in range(100)
            ]
            await map_.items.write(map_.at, puts, ALICE)
        queue = reader.writer._queue
        assert queue is not None and queue.size < 10 * MARK
        assert len(queue._frames) <= WAITING
        reader.transport.drain()
        await until_current(replica, reader, map_)
        assert len(replica.items) == 2100
        await map_.put("live")
        await until_current(replica, reader, map_)

    async def test_a_replay_that_finds_the_horizon_passed_sends_a_reset(
        self, map_: Collection, connect: Connect
    ) -> None:
        reader, replica = connect(), Replica()
        await replica.open(reader, map_.at.sid)
        await fall_behind(reader, map_)
        for n in range(2 * WAITING):
            await map_.write(Verb.REMOVE, f"late{n}")
        reader.transport.drain()
        await until_current(replica, reader, map_)
        assert replica.resets == 1
        await map_.put("live")
        await until_current(replica, reader, map_)

    async def test_a_changed_expiry_arrives_when_the_reader_reads_again(
        self, map_: Collection, connect: Connect
    ) -> None:
        reader, writer, replica = connect(), connect(), Replica()
        await replica.open(reader, map_.at.sid)
        await fall_behind(reader, map_)
        await writer.ask(SetTtl(map_.at.sid, type=MAP, ttl=600))
        await map_.put("later")
        reader.transport.drain()
        await until_current(replica, reader, map_)
        await eventually(lambda: any(isinstance(each, ExpiryChanged) for each in reader.events))
        [expiry] = [each for each in reader.events if isinstance(each, ExpiryChanged)]
        assert expiry.expires_ms is not None
        await replica.follow(reader, map_.at.sid)

    @pytest.mark.parametrize("expired", [False, True])
    async def test_the_removal_of_the_collection_is_the_last_event(
        self,
        backend: Backend,
        map_: Collection,
        connect: Connect,
        elapse: Elapse,
        expired: bool,
    ) -> None:
        reader, replica = connect(), Replica()
        await replica.open(reader, map_.at.sid)
        await fall_behind(reader, map_)
        if expired:
            await backend.objects.update(map_.at, ALICE, ttl=60)
            await elapse(61_000)
            await backend.objects.expire(map_.at.service_sid, map_.at.sid)
        else:
            await backend.objects.remove(map_.at, ALICE)
        await eventually(lambda: reader.session.subscriptions == 0)
        reader.transport.drain()
        last = reader.events[-1]
        assert isinstance(last, Removed) and last.expired is expired
        await reader.ask(Get("none", type=MAP))
        assert reader.events[-1] is last

    async def test_items_that_expire_are_removed_by_the_replay(
        self, map_: Collection, connect: Connect, elapse: Elapse
    ) -> None:
        reader, replica = connect(), Replica()
        await map_.put("mortal", ttl=60)
        await replica.open(reader, map_.at.sid)
        await fall_behind(reader, map_)
        await elapse(61_000)
        await map_.items.expire(map_.at, ["mortal"], ALICE)
        reader.transport.drain()
        await until_current(replica, reader, map_)
        assert "mortal" not in replica.items

    async def test_a_right_that_is_taken_away_ends_the_replay(
        self, backend: Backend, redis: Redis
    ) -> None:
        service = await backend.services.create({"acl_enabled": True}, 10_000)
        map_ = await make(backend.objects, backend.items, service.sid, MAP)
        permissions = Permissions(redis, backend.objects)
        await permissions.set(map_.at, "bob", Right.READ)
        access = Access(backend, service.sid, "bob", limited=True)
        reader, replica = Reader(backend, access, mark=MARK), Replica()
        await replica.open(reader, map_.at.sid)
        await fall_behind(reader, map_)
        await permissions.remove(map_.at, "bob")
        await eventually(lambda: reader.session.subscriptions == 0)
        secret = await map_.put("secret")
        reader.transport.drain()
        refused = await reader.ask(Get(map_.at.sid, type=MAP))
        assert refused.code is Code.ACCESS_FORBIDDEN
        assert isinstance(reader.events[-1], Removed)
        assert all(each.revision < secret.revision for each in reader.events[:-1])

    async def test_opening_again_while_behind_starts_over(
        self, map_: Collection, connect: Connect
    ) -> None:
        reader, replica = connect(), Replica()
        await replica.open(reader, map_.at.sid)
        await fall_behind(reader, map_)
        opened = await reader.ask(OpenCollection(map_.at.sid, type=MAP, items=PAGE))
        assert opened.replay is not None and opened.replay.is_reset
        reader.transport.drain()
        await until_current(replica, reader, map_)
        await map_.put("live")
        await until_current(replica, reader, map_)

    async def test_opening_again_before_falling_behind_begins_at_its_reply(
        self, map_: Collection, connect: Connect
    ) -> None:
        """Events from before the reply wait with later ones, and all are dropped."""
        reader, replica = connect(), Replica()
        await replica.open(reader, map_.at.sid)
        reader.slow_down()
        while reader.writer.is_direct:
            await map_.put("early", b'{"n":1}')
        await map_.put("waits")
        again = await replica.open(reader, map_.at.sid)
        assert again.replay is None
        await fall_behind(reader, map_)
        reader.transport.drain()
        replica._taken = reader.received.index(
            next(r for r in reader.received if isinstance(r, tuple) and r[1] == again)
        )
        await until_current(replica, reader, map_)

    async def test_events_blocked_beyond_the_limit_come_from_the_store(
        self, backend: Backend, map_: Collection, connect: Connect
    ) -> None:
        reader, replica = connect(), Replica()
        await replica.open(reader, map_.at.sid)
        command = WriteItem(map_.at.sid, type=MAP, action=Verb.PUT, item_key="own", data=b"{}")
        with reader.session.writing(command):
            for n in range(3 * PENDING_LIMIT):
                newest = await map_.put(f"{n}")
            topic = backend.hub._topics[map_.at.sid]
            await eventually(lambda: topic.revision == newest.revision)
            assert reader.events == []
        await reader.ask(command)
        await until_current(replica, reader, map_)
        assert len(replica.items) == 3 * PENDING_LIMIT + 1


class TestParts:
    async def test_a_part_receives_only_its_items(self, map_: Collection, connect: Connect) -> None:
        parts = (Part(prefix="a/"), Part(keys=frozenset({"a/1", "b/2"})), None)
        readers = [(connect(), Replica(part=part)) for part in parts]
        for reader, replica in readers:
            await replica.open(reader, map_.at.sid)
        for n in range(10):
            for group in "abc":
                await map_.put(f"{group}/{n}")
        operations = [
            ItemOperation(verb=Verb.PUT, key=key, data=b'{"n":1}') for key in ("a/1", "b/2", "c/3")
        ]
        await map_.items.write(map_.at, operations, ALICE)
        for reader, replica in readers:
            await until_current(replica, reader, map_)
        counts = [
            sum(len(e.changes) for e in reader.events if isinstance(e, ItemsChanged))
            for reader, _ in readers
        ]
        assert counts == [11, 4, 33]

    async def test_other_items_cost_a_part_nothing(
        self, map_: Collection, connect: Connect, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The hub does not call its session, and finds it by the key."""
        reader, replica = connect(), Replica(part=Part(prefix="a/"))
        await replica.open(reader, map_.at.sid)
        called: list[Event] = []
        subscriptions = type(reader.session._subscriptions)
        on_event = subscriptions.on_event

        def record(self: Any, event: Event) -> None:
            called.append(event)
            on_event(self, event)

        monkeypatch.setattr(subscriptions, "on_event", record)
        for n in range(20):
            await map_.put(f"b/{n}")
        await map_.put("a/1")
        await until_current(replica, reader, map_)
        assert len(called) == 1

    async def test_a_part_is_replayed_too(self, map_: Collection, connect: Connect) -> None:
        reader, replica = connect(), Replica(part=Part(prefix="late1"))
        await replica.open(reader, map_.at.sid)
        await fall_behind(reader, map_, 200)
        reader.transport.drain()
        await until_current(replica, reader, map_)
        assert replica.items
        reader.session.close()
        await map_.put("late1")
        await map_.put("other")
        opened = await replica.open(reader := connect(), map_.at.sid, resume=True)
        assert opened.replay is not None
        assert [each.key for each in opened.replay.changes] == ["late1"]

    async def test_another_part_counts_from_its_reply_on(
        self, map_: Collection, connect: Connect
    ) -> None:
        reader = connect()
        part = Replica(part=Part(prefix="a"))
        await part.open(reader, map_.at.sid)
        await map_.put("a1")
        await map_.put("b1")
        await until_current(part, reader, map_)
        greater = Replica()
        await greater.open(reader, map_.at.sid)
        await map_.put("b2")
        await until_current(greater, reader, map_)
        narrow = Replica(part=Part(keys=frozenset({"b1"})))
        await narrow.open(reader, map_.at.sid)
        await map_.put("b2")
        await map_.put("a1")
        await map_.put("b1")
        await until_current(narrow, reader, map_)
        changes = [e for e in reader.events if isinstance(e, ItemsChanged)]
        assert [key for event in changes for key in event.keys] == ["a1", "b2", "b1"]


class TestOwnWrites:
    async def test_they_come_apart_and_after_their_replies(
        self, map_: Collection, connect: Connect
    ) -> None:
        reader = connect(takes_own=True)
        await Replica().open(reader, map_.at.sid)
        received = len(reader.received)
        first = await reader.ask(
            WriteItem(map_.at.sid, type=MAP, action=Verb.PUT, item_key="k", data=b"{}")
        )
        other = await map_.put("other")
        removed = await reader.ask(
            WriteItem(map_.at.sid, type=MAP, action=Verb.REMOVE, item_key="k")
        )
        await eventually(lambda: len(reader.own) == 2)
        assert [each.revision for each in reader.own] == [
            first.header.revision,
            removed.header.revision,
        ]
        events = [each for each in reader.received[received:] if isinstance(each, Event)]
        assert [each.revision for each in events] == [other.revision]

    async def test_an_event_that_comes_after_the_next_reply_is_known(
        self, map_: Collection, connect: Connect, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        reader = connect(takes_own=True)
        await Replica().open(reader, map_.at.sid)
        subscriptions = reader.session._subscriptions
        late: list[Event] = []
        with monkeypatch.context() as patch:
            patch.setattr(type(subscriptions), "on_event", lambda _, event: late.append(event))
            for n in range(3):
                await reader.ask(
                    WriteItem(map_.at.sid, type=MAP, action=Verb.PUT, item_key=f"{n}", data=b"{}")
                )
            await eventually(lambda: len(late) == 3)
        for event in late:
            subscriptions.on_event(event)
        assert reader.own == late
        # On the fast path again, and others' changes come as ever.
        await map_.put("other")
        await eventually(lambda: reader.events != [])
        assert len(reader.own) == 3

    async def test_a_replay_tells_them_apart(self, map_: Collection, connect: Connect) -> None:
        reader = connect(takes_own=True)
        await Replica().open(reader, map_.at.sid)
        await fall_behind(reader, map_)
        own = await reader.ask(
            WriteItem(map_.at.sid, type=MAP, action=Verb.PUT, item_key="own", data=b"{}")
        )
        other = await map_.put("other")
        reader.transport.drain()
        await eventually(lambda: reader.own != [])
        [event] = reader.own
        assert isinstance(event, ItemsChanged)
        assert [each.item.revision for each in event.changes] == [own.header.revision]
        await eventually(lambda: reader.events[-1].revision >= other.revision)
        others = [
            change.item.key
            for event in reader.events
            if isinstance(event, ItemsChanged)
            for change in event.changes
        ]
        assert "own" not in others and "other" in others


async def test_what_the_hub_missed_is_read_by_a_reader_that_joined_meanwhile(
    backend: Backend, map_: Collection, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has an item that was created and removed while the hub received nothing."""
    early, late = connect(), connect()
    of_early, of_late = Replica(), Replica()
    await of_early.open(early, map_.at.sid)
    await map_.put("first")
    await until_current(of_early, early, map_)
    lost: list[Any] = []
    with monkeypatch.context() as patch:
        patch.setattr(type(backend.hub), "deliver", lambda _, event: lost.append(event))
        await map_.put("gone")
        await eventually(lambda: lost != [])
        opened = await of_late.open(late, map_.at.sid)
        assert opened.items is not None
        assert [each.key for each in opened.items.items] == ["first", "gone"]
    # The event of this one shows that another was missed.
    await map_.write(Verb.REMOVE, "gone")
    await until_current(of_early, early, map_)
    await until_current(of_late, late, map_)


async def test_a_query_for_a_page_reads_no_more_than_asked(
    map_: Collection, connect: Connect
) -> None:
    for n in range(5):
        await map_.put(f"{n}")
    opened = await connect().ask(OpenCollection(map_.at.sid, type=MAP, items=ItemQuery(size=2)))
    assert isinstance(opened, Opened) and opened.items is not None
    assert [each.key for each in opened.items.items] == ["0", "1"]
    assert opened.items.next_key is not None
