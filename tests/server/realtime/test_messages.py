"""Messages of streams, as their subscribers receive them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from support.backend import running_backend
from support.readers import Reader
from support.store import Store, eventually
from syncline_protocol.commands import Mode, Open, Remove, SetTtl
from syncline_protocol.objects import STREAM, Event, ExpiryChanged, Removed
from syncline_protocol.streams import Message, Missed, Publish
from syncline_server.backend import Backend
from syncline_server.config.settings import Settings
from syncline_server.objects.access import Access
from syncline_server.observability.metrics import Limit
from syncline_server.pubsub.topic import Topic
from syncline_server.realtime.pending_events import PENDING_LIMIT
from syncline_server.realtime.results import Fetched
from syncline_server.realtime.subscription import State
from syncline_server.storage.redis.client import Redis

WAITING = 10

Connect = Callable[..., Reader]


@pytest.fixture
async def backend(redis: Redis) -> AsyncIterator[Backend]:
    async with running_backend(redis, Settings(waiting_messages=WAITING)) as backend:
        yield backend


@pytest.fixture
def connect(backend: Backend, service_sid: str) -> Connect:
    """Connects a reader."""

    def connect(**options: Any) -> Reader:
        return Reader(backend, Access(backend, service_sid, "alice"), mark=1000, **options)

    return connect


def message(n: int) -> Publish:
    return Publish("ticks", data=b'{"n":%d}' % n)


async def opened(*readers: Reader) -> Topic:
    """Open the stream, which is created if there is none. Returns its topic."""
    for reader in readers:
        found = await reader.ask(Open("ticks", type=STREAM))
        reader.received.clear()
    topic = readers[0].backend.hub._topics[found.state.sid]
    return topic


def data(events: list[Event]) -> list[bytes]:
    return [each.data for each in events if isinstance(each, Message)]


async def test_every_subscriber_receives_them_in_the_order_of_their_publisher(
    connect: Connect,
) -> None:
    publisher, *readers = (connect() for _ in range(5))
    await opened(publisher, *readers)
    for n in range(50):
        publisher.submit(message(n))
    wanted = [b'{"n":%d}' % n for n in range(50)]
    await eventually(lambda: all(len(each.events) == 50 for each in (publisher, *readers)))
    assert all(data(each.events) == wanted for each in (publisher, *readers))


async def test_the_reply_comes_before_the_message(connect: Connect) -> None:
    publisher = connect()
    await opened(publisher)
    for n in range(20):
        publisher.submit(message(n))
    await eventually(lambda: len(publisher.received) == 40)
    replied: set[str] = set()
    for received in publisher.received:
        if isinstance(received, Message):
            assert received.message_sid in replied
        else:
            _, fetched = received
            assert isinstance(fetched, Fetched)
            replied.add(fetched.state.message_sid)


async def test_subscribers_are_on_the_fast_path(connect: Connect) -> None:
    """Each message then costs each of them one call."""
    readers = [connect() for _ in range(5)]
    topic = await opened(*readers)
    states = {each.session._subscriptions.index.by_key[topic.sid].state for each in readers}
    assert states == {State.FAST}
    await readers[0].ask(message(1))
    await eventually(lambda: all(each.events for each in readers))
    assert not topic.slow


async def test_a_slow_reader_misses_the_oldest_and_is_told_how_many(connect: Connect) -> None:
    publisher, reader = connect(), connect()
    await opened(publisher, reader)
    reader.slow_down()
    for n in range(200):
        await publisher.ask(message(n))
    await eventually(lambda: len(publisher.events) == 200)
    reader.transport.drain()
    events = reader.events
    [index] = [n for n, each in enumerate(events) if isinstance(each, Missed)]
    missed = events[index]
    assert isinstance(missed, Missed)
    # In the place of the dropped ones, which are the oldest that waited; the newest are there.
    assert missed.count == 200 - (len(events) - 1)
    assert data(events[:index]) == [b'{"n":%d}' % n for n in range(index)]
    assert data(events[index:]) == [b'{"n":%d}' % n for n in range(200 - WAITING, 200)]
    assert reader.backend.meters.limit_hits[Limit.WAITING_MESSAGES] > 0


async def test_the_messages_of_two_streams_are_counted_apart(connect: Connect) -> None:
    publisher, reader = connect(), connect()
    await opened(publisher, reader)
    await reader.ask(Open("other", type=STREAM))
    reader.slow_down()
    for n in range(100):
        await publisher.ask(message(n))
    for n in range(100):
        await publisher.ask(Publish("other", data=b'{"other":%d}' % n))
    subscription = reader.session._subscriptions
    await eventually(lambda: len(publisher.events) == 100)
    queue = reader.writer._queue
    assert queue is not None and subscription is not None
    await eventually(lambda: b'"other":99' in b"".join(w.frame for w in queue._frames.values()))
    reader.transport.drain()
    counts: dict[str, int] = {}
    for event in reader.events:
        counts[event.sid] = counts.get(event.sid, 0) + getattr(event, "count", 1)
    assert list(counts.values()) == [100, 100]
    assert data(reader.events)[-WAITING:] == [b'{"other":%d}' % n for n in range(90, 100)]


async def test_own_messages_come_apart(connect: Connect) -> None:
    publisher, other = connect(takes_own=True), connect()
    topic = await opened(publisher, other)
    for n in range(5):
        await publisher.ask(message(n))
        await other.ask(message(10 + n))
    await eventually(lambda: len(publisher.own) == 5 and len(publisher.events) == 5)
    assert data(publisher.own) == [b'{"n":%d}' % n for n in range(5)]
    assert data(publisher.events) == [b'{"n":%d}' % n for n in range(10, 15)]
    # Nothing of its own is to come: on the fast path again.
    assert not topic.slow


async def test_messages_blocked_beyond_the_limit_are_counted(
    connect: Connect, store: Store
) -> None:
    publisher, reader = connect(), connect()
    topic = await opened(publisher, reader)
    with reader.session.writing(message(0)):
        for n in range(PENDING_LIMIT + 5):
            await publisher.ask(message(n))
        await eventually(lambda: len(publisher.events) == PENDING_LIMIT + 5)
        assert reader.events == []
    await reader.ask(SetTtl(topic.sid, type=STREAM, ttl=60))
    missed = reader.events[0]
    assert isinstance(missed, Missed) and missed.count in (5, 6)
    assert len(data(reader.events)) == PENDING_LIMIT + 5 - missed.count


async def test_expiry_and_removal_are_events_after_their_replies(connect: Connect) -> None:
    owner, reader = connect(), connect()
    topic = await opened(owner, reader)
    await owner.ask(SetTtl(topic.sid, type=STREAM, ttl=60))
    await owner.ask(message(1))
    await owner.ask(Remove(topic.sid, type=STREAM))
    await eventually(lambda: owner.session.subscriptions == reader.session.subscriptions == 0)
    assert [type(each) for each in reader.events] == [ExpiryChanged, Message, Removed]
    kinds = [type(each) for each in owner.received]
    assert [kind is tuple for kind in kinds].count(True) == 3
    for kind in (ExpiryChanged, Removed):
        replies = kinds[: kinds.index(kind)].count(tuple)
        assert replies >= (1 if kind is ExpiryChanged else 3)


async def test_a_gap_of_the_feed_sends_nothing_twice(connect: Connect, store: Store) -> None:
    owner, reader = connect(), connect()
    topic = await opened(owner, reader)
    compared = topic.revision
    await store.cut("pubsub")
    await eventually(lambda: owner.backend.hub.live)
    await owner.ask(SetTtl(topic.sid, type=STREAM, ttl=60))
    await eventually(lambda: reader.events != [])
    assert [type(each) for each in reader.events] == [ExpiryChanged]
    assert reader.events[0].revision > compared
    again = await reader.ask(Open("ticks", type=STREAM, mode=Mode.OPEN_EXISTING))
    assert again.state.revision == reader.events[0].revision
