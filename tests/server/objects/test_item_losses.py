"""Failovers that lost writes of items: all subscribers come to what is stored.

A failover to a replica that lagged is played by putting back the keys of a service as they were.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from copy import copy

import pytest

from support.backend import make_backend
from support.data_snapshot import DataSnapshot
from support.items import Collection, make
from support.store import Inbox, Store, eventually
from syncline_protocol.item_commands import Verb
from syncline_protocol.items import ItemsChanged, ItemsReset
from syncline_protocol.objects import MAP, Event
from syncline_protocol.revisions import PER_MS
from syncline_server.backend import Backend
from syncline_server.config.settings import Settings
from syncline_server.objects.item_source import ItemSource
from syncline_server.pubsub.topic import RECENT_LIMIT, Topic
from syncline_server.storage.items import Items
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.redis.connection import Connection


@pytest.fixture
def snapshot(admin: Connection, service_sid: str) -> DataSnapshot:
    return DataSnapshot(admin, service_sid)


@pytest.fixture
async def backend(redis: Redis) -> AsyncIterator[Backend]:
    backend = make_backend(redis)
    backend.hub.start()
    await eventually(backend.ready)
    yield backend
    await backend.hub.stop()


@pytest.fixture
async def map_(backend: Backend, service_sid: str) -> Collection:
    return await make(backend.objects, backend.items, service_sid, MAP)


async def opened(backend: Backend, map_: Collection, inbox: Inbox) -> Topic:
    """Open the map as a session does."""
    topic = backend.hub.join(map_.at.service_sid, map_.at.sid, inbox)
    await backend.hub.make_live(topic)
    header = await backend.objects.get(map_.at)
    assert header is not None
    topic.learn(header)
    topic.acknowledged = max(topic.acknowledged, header.revision)
    return topic


async def missed(backend: Backend, topic: Topic) -> list[Event]:
    return [event async for event in ItemSource(backend, MAP).missed(topic)]


async def test_lost_writes_are_found_when_the_feed_comes_back(
    backend: Backend, map_: Collection, snapshot: DataSnapshot, store: Store
) -> None:
    inbox = Inbox()
    await map_.put("k", b'{"n":1}')
    await opened(backend, map_, inbox)
    await snapshot.take()
    lost = (await map_.put("k", b'{"n":2}')).revision
    assert (await inbox.next()).revision == lost
    await snapshot.put_back()
    await store.cut("pubsub")
    event = await inbox.next()
    # What was lost gets a newer revision, so that everybody has an event for it.
    while isinstance(event, ItemsChanged):
        event = await inbox.next()
    assert isinstance(event, ItemsReset)
    assert event.revision > lost
    stored = await map_.get("k")
    assert stored is not None and stored.data == b'{"n":1}'
    assert (await map_.put("k")).revision > event.revision


async def test_a_write_after_the_loss_makes_its_subscribers_read_again(
    backend: Backend, map_: Collection, snapshot: DataSnapshot
) -> None:
    """The write is of another item, and newer than what was lost: nothing else would show it."""
    inbox = Inbox()
    await map_.put("k", b'{"n":1}')
    await opened(backend, map_, inbox)
    await snapshot.take()
    lost = (await map_.put("k", b'{"n":2}')).revision
    assert isinstance(await inbox.next(), ItemsChanged)
    await snapshot.put_back()
    await eventually(lambda: backend.redis.now_ms() * PER_MS > lost)
    other = await map_.put("other")
    event = await inbox.next()
    assert isinstance(event, ItemsReset)
    assert event.revision == other.revision > lost
    again = await map_.put("other")
    event = await inbox.next()
    assert isinstance(event, ItemsChanged)
    assert event.revision == again.revision


@pytest.mark.parametrize("count", [1, RECENT_LIMIT + 1])
async def test_a_loss_before_another_write_is_found_in_a_gap(
    backend: Backend, map_: Collection, snapshot: DataSnapshot, count: int
) -> None:
    """The feed came back after that write, whose revision is beyond what was lost."""
    inbox = Inbox()
    topic = await opened(backend, map_, inbox)
    await map_.put("kept")
    await inbox.next()
    await snapshot.take()
    for n in range(count):
        await map_.put(f"{n}")
        await inbox.next()
    behind = copy(topic)
    await snapshot.put_back()
    await eventually(lambda: backend.redis.now_ms() * PER_MS > behind.revision)
    await map_.put("other")
    [event] = await missed(backend, behind)
    assert isinstance(event, ItemsReset)
    assert event.revision > behind.revision
    assert await map_.keys() == ["kept", "other"]


async def test_nothing_is_written_where_nothing_was_lost(
    backend: Backend, map_: Collection, redis: Redis
) -> None:
    """Also not for items whose tombstones were dropped."""
    inbox = Inbox()
    topic = await opened(backend, map_, inbox)
    forgetful = Collection(Items(redis, backend.objects, Settings(tombstones=0)), map_.at)
    await forgetful.put("k")
    await forgetful.write(Verb.REMOVE, "k")
    last = await forgetful.put("other")
    for _ in range(3):
        await inbox.next()
    assert await missed(backend, topic) == []
    header = await backend.objects.get(map_.at)
    assert header is not None and header.revision == last.revision


async def test_a_gap_before_the_first_event_brings_what_came_after_the_reading(
    backend: Backend, map_: Collection
) -> None:
    """And not all that the collection holds."""
    await map_.put("old")
    behind = copy(await opened(backend, map_, Inbox()))
    assert await missed(backend, behind) == []
    await map_.put("new")
    [event] = await missed(backend, behind)
    assert isinstance(event, ItemsChanged)
    assert [change.item.key for change in event.changes] == ["new"]


async def test_an_event_that_follows_missed_ones_brings_these_first(
    backend: Backend, map_: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = Inbox()
    await map_.put("old")
    topic = await opened(backend, map_, inbox)
    deliver = backend.hub._on_event
    lost: list[Event] = []
    # As in a gap of the feed.
    monkeypatch.setattr(backend.hub, "_on_event", lost.append)
    await map_.put("missed")
    await eventually(lambda: lost)
    monkeypatch.setattr(backend.hub, "_on_event", deliver)
    last = await map_.put("new")
    names: list[str] = []
    while "new" not in names:
        event = await inbox.next()
        assert isinstance(event, ItemsChanged)
        names += [change.item.key for change in event.changes]
    assert names == ["missed", "new"]
    assert topic.revision == last.revision
