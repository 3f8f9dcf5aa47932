from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from support.store import WAIT_LIMIT, Service, Store, eventually, refused
from syncline_protocol.errors import Code
from syncline_server.pubsub.feed import Feed
from syncline_server.pubsub.shard_subscriber import ShardSubscriber
from syncline_server.storage.keys import channel
from syncline_server.storage.redis.address import Address
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.redis.connection import Connection
from syncline_server.storage.redis.engine import SHARD, ExternalRedis

SHORT_TIMEOUT = 0.2
"""Seconds that a subscription may take where a test waits for the end of that."""


class FeedRecorder:
    """A feed, and what it delivered."""

    def __init__(self, redis: Redis, timeout: float = WAIT_LIMIT) -> None:
        self.events: asyncio.Queue[Any] = asyncio.Queue()
        self.gaps: asyncio.Queue[list[str]] = asyncio.Queue()
        self.redis = redis
        self.feed = Feed(redis, timeout, self.events.put_nowait, self.gaps.put_nowait)

    async def start(self) -> None:
        """Return once it is connected: its first connection counts as a gap."""
        self.feed.start()
        await self.gap()

    async def event(self) -> Any:
        async with asyncio.timeout(WAIT_LIMIT):
            return await self.events.get()

    async def gap(self) -> list[str]:
        async with asyncio.timeout(WAIT_LIMIT):
            return await self.gaps.get()


@pytest.fixture
async def recorder(redis: Redis) -> AsyncIterator[FeedRecorder]:
    recorder = FeedRecorder(redis)
    await recorder.start()
    yield recorder
    await recorder.feed.stop()


class RedisSocket:
    """The way to the store, which can be shut: who is in stays in, nobody else comes in."""

    def __init__(self, path: Path, store: Store) -> None:
        self._path = path
        self._store = store
        self.engine = ExternalRedis(Address(path=str(path)))

    def open(self) -> None:
        self._path.symlink_to(self._store.url.removeprefix("unix://"))

    def close(self) -> None:
        self._path.unlink()


@pytest.fixture
def redis_socket(tmp_path: Path, store: Store) -> RedisSocket:
    redis_socket = RedisSocket(tmp_path / "redis.sock", store)
    redis_socket.open()
    return redis_socket


@pytest.fixture
async def redis_behind_socket(redis_socket: RedisSocket) -> AsyncIterator[Redis]:
    """Commands through the socket that can be removed."""
    redis = Redis(redis_socket.engine, WAIT_LIMIT)
    await redis.start()
    yield redis
    await redis.stop()


async def listeners(recorder: FeedRecorder, admin: Connection, *channels: str) -> list[int]:
    """How many connections Redis sends each channel to."""
    names = map(recorder.redis.wire_channel, channels)
    reply = await admin.execute("PUBSUB", "NUMSUB", *names)
    return list(reply[1::2])


async def test_it_is_live_once_connected(redis: Redis) -> None:
    recorder = FeedRecorder(redis)
    assert not recorder.feed.live
    await recorder.start()
    assert recorder.feed.live
    await recorder.feed.stop()


async def test_what_is_published_after_a_subscription_comes(
    recorder: FeedRecorder, service: Service
) -> None:
    """Each at once after its confirmation: none is too early."""
    made = await asyncio.gather(*(service.create(f"{n}") for n in range(200)))

    async def subscribe_and_write(sid: str) -> int:
        await recorder.feed.subscribe(channel(service.sid, sid))
        return (await service.set(sid, b'{"a":1}')).state.revision

    written = await asyncio.gather(*(subscribe_and_write(document.sid) for document in made))
    received = [(await recorder.event()).revision for _ in made]
    assert sorted(received) == sorted(written)


async def test_events_of_a_document_come_in_order(recorder: FeedRecorder, service: Service) -> None:
    document = await service.create("prefs")
    await recorder.feed.subscribe(channel(service.sid, document.sid))
    writes = [service.set("prefs", b'{"n":%d}' % n) for n in range(300)]
    written = [(await write).state.revision for write in writes]
    received = [await recorder.event() for _ in written]
    assert [event.revision for event in received] == written
    assert [event.previous for event in received] == [document.revision, *written[:-1]]


async def test_what_nobody_wants_any_more_does_not_come(
    recorder: FeedRecorder, service: Service, admin: Connection
) -> None:
    one, other = [await service.create(name) for name in ("one", "other")]
    for document in (one, other):
        await recorder.feed.subscribe(channel(service.sid, document.sid))
    recorder.feed.unsubscribe(channel(service.sid, one.sid))
    # Another command on the same connection: Redis has carried out the one before it.
    await recorder.feed.subscribe(f"{{{service.sid}}}:event:marker")
    await service.set("one", b'{"a":1}')
    await service.set("other", b'{"a":1}')
    assert (await recorder.event()).sid == other.sid
    assert await listeners(recorder, admin, channel(service.sid, one.sid)) == [0]
    recorder.feed.unsubscribe("never subscribed")


async def test_several_that_want_a_channel_share_it(
    recorder: FeedRecorder, service: Service, admin: Connection
) -> None:
    document = await service.create("prefs")
    name = channel(service.sid, document.sid)
    await asyncio.gather(*(recorder.feed.subscribe(name) for _ in range(10)))
    assert await listeners(recorder, admin, name) == [1]
    await service.set("prefs", b'{"a":1}')
    await service.remove("prefs")
    assert [type(await recorder.event()).__name__ for _ in range(2)] == ["Updated", "Removed"]


async def test_a_subscription_that_was_taken_back_and_made_again_is_the_one_that_counts(
    recorder: FeedRecorder, service: Service
) -> None:
    """The first confirmation is of a subscription that an UNSUBSCRIBE has ended since."""
    document = await service.create("prefs")
    name = channel(service.sid, document.sid)
    for number in range(50):
        first = asyncio.ensure_future(recorder.feed.subscribe(name))
        await asyncio.sleep(0)
        for _ in range(number % 4):
            recorder.feed.unsubscribe(name)
            first.cancel()
            first = asyncio.ensure_future(recorder.feed.subscribe(name))
            await asyncio.sleep(0)
        await first
        written = await service.set("prefs", b'{"n":%d}' % number)
        assert (await recorder.event()).revision == written.state.revision
        recorder.feed.unsubscribe(name)


async def test_a_confirmation_of_what_was_taken_back_since_confirms_nothing(
    store: Store, recorder: FeedRecorder, service_sid: str
) -> None:
    name = channel(service_sid, f"ET{'0' * 32}")
    with store.paused():
        first = asyncio.ensure_future(recorder.feed.subscribe(name))
        await asyncio.sleep(0)
        recorder.feed.unsubscribe(name)
        first.cancel()
        second = asyncio.ensure_future(recorder.feed.subscribe(name))
        await asyncio.sleep(0)
        # The answer to the first, as if Redis had been that quick.
        subscriber_of(recorder)._on_push([b"subscribe", name.encode(), 1])
        done, _ = await asyncio.wait([second], timeout=0.05)
        assert not done
    await second


async def test_the_answer_to_an_own_sunsubscribe_ends_no_later_subscription(
    store: Store, recorder: FeedRecorder, service_sid: str
) -> None:
    name = channel(service_sid, f"ET{'0' * 32}")
    await recorder.feed.subscribe(name)
    subscriber = subscriber_of(recorder)
    lost: list[str] = []
    with store.paused(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(recorder.feed, "on_lost", lost.append)
        recorder.feed.unsubscribe(name)
        again = asyncio.ensure_future(recorder.feed.subscribe(name))
        await asyncio.sleep(0)
        # As a Cluster answers.
        pushed = [b"sunsubscribe", recorder.redis.wire_channel(name).encode(), 0]
        subscriber._on_push(pushed)
        assert (lost, name in subscriber.channels) == ([], True)
        # Nobody asked for this one: the slot has moved.
        subscriber._on_push(pushed)
        assert lost == [name]
    again.cancel()


def subscriber_of(recorder: FeedRecorder) -> ShardSubscriber:
    return recorder.feed._subscribers[SHARD]


async def test_a_feed_that_does_not_receive_what_is_published_reconnects(
    recorder: FeedRecorder,
) -> None:
    """As one that hangs on a server that is no master any more: it answers, and is deaf."""
    subscriber = subscriber_of(recorder)
    await eventually(lambda: not subscriber._outstanding)
    subscriber._probe = "{x}:event:without-subscribers"
    await recorder.gap()
    assert subscriber._probe != "{x}:event:without-subscribers"
    assert recorder.feed.live


async def test_a_probe_that_overtakes_its_subscription_proves_nothing(
    recorder: FeedRecorder,
) -> None:
    """They go by two connections."""
    subscriber = subscriber_of(recorder)
    await eventually(lambda: not subscriber._outstanding)
    subscriber._probe = "{x}:event:not yet"
    subscriber._outstanding[subscriber._probe] = 1
    connection = subscriber._connection
    assert connection is not None
    await subscriber._send_probe(connection)
    ended, _ = await asyncio.wait([connection.ended], timeout=0.05)
    assert not ended
    assert recorder.gaps.empty()


async def test_after_a_cut_it_reports_the_gap_and_is_live_again(
    store: Store, recorder: FeedRecorder, service: Service
) -> None:
    made = [await service.create(f"{n}") for n in range(5)]
    channels = [channel(service.sid, document.sid) for document in made]
    for name in channels:
        await recorder.feed.subscribe(name)
    for _ in range(3):
        await store.cut("pubsub")
        assert sorted(await recorder.gap()) == sorted(channels)
        # From the gap on, nothing is missed.
        written = await service.set("0", b'{"a":1}')
        assert (await recorder.event()).revision == written.state.revision


async def test_it_is_not_live_while_it_receives_nothing(
    store: Store, redis_socket: RedisSocket, redis_behind_socket: Redis
) -> None:
    recorder = FeedRecorder(redis_behind_socket)
    await recorder.start()
    redis_socket.close()
    await store.cut("pubsub")
    await eventually(lambda: not recorder.feed.live)
    redis_socket.open()
    await recorder.gap()
    assert recorder.feed.live
    await recorder.feed.stop()


async def test_a_redis_that_hangs_is_noticed_in_about_a_second(
    store: Store, recorder: FeedRecorder
) -> None:
    with store.paused():
        since = time.monotonic()
        await eventually(lambda: not recorder.feed.live)
        assert time.monotonic() - since < 3
    await recorder.gap()
    assert recorder.feed.live


async def test_a_subscription_waits_for_a_connection_that_is_being_made(
    store: Store, redis_socket: RedisSocket, redis_behind_socket: Redis, service: Service
) -> None:
    document = await service.create("prefs")
    recorder = FeedRecorder(redis_behind_socket)
    await recorder.start()
    redis_socket.close()
    await store.cut("pubsub")
    await eventually(lambda: not recorder.feed.live)
    waiting = asyncio.ensure_future(recorder.feed.subscribe(channel(service.sid, document.sid)))
    await asyncio.sleep(0)
    assert not waiting.done()
    redis_socket.open()
    await waiting
    await service.set("prefs", b'{"a":1}')
    assert (await recorder.event()).sid == document.sid
    await recorder.feed.stop()


async def test_a_subscription_that_takes_too_long_is_refused(
    store: Store, redis_socket: RedisSocket, redis_behind_socket: Redis, service_sid: str
) -> None:
    recorder = FeedRecorder(redis_behind_socket, SHORT_TIMEOUT)
    await recorder.start()
    redis_socket.close()
    await store.cut("pubsub")
    await eventually(lambda: not recorder.feed.live)
    name = channel(service_sid, f"ET{'0' * 32}")
    refusal = await refused(recorder.feed.subscribe(name), Code.UNAVAILABLE)
    assert "nothing was opened" in refusal.message
    recorder.feed.unsubscribe(name)
    redis_socket.open()
    assert await recorder.gap() == []
    await recorder.feed.stop()


async def test_thousands_of_channels_come_back_before_the_gap_is_reported(
    store: Store, recorder: FeedRecorder, service_sid: str, admin: Connection
) -> None:
    channels = [channel(service_sid, f"ET{n:032x}") for n in range(2000)]
    await asyncio.gather(*(recorder.feed.subscribe(name) for name in channels))
    await store.cut("pubsub")
    assert len(await recorder.gap()) == 2000
    assert await listeners(recorder, admin, *channels) == [1] * 2000


@pytest.mark.parametrize(
    "message",
    [b"", b"\n", b"{}", b"[]\n{}", b"5\n", b"\xff\xff", b'{"kind":"updated"}\n', b"null\nnull"],
)
async def test_a_message_that_cannot_be_read_is_a_gap_of_its_channel(
    recorder: FeedRecorder, service: Service, admin: Connection, message: bytes
) -> None:
    """As one of a later version might be, while servers are replaced one after the other."""
    for name in ("prefs", "other"):
        await recorder.feed.subscribe(channel(service.sid, (await service.create(name)).sid))
    document = (await service.set("prefs", b'{"a":1}')).state
    name = recorder.redis.wire_channel(channel(service.sid, document.sid))
    await admin.execute("PUBLISH", name, message)
    assert await recorder.gap() == [channel(service.sid, document.sid)]
    last = (await service.set("prefs", b'{"a":2}')).state
    received = [await recorder.event() for _ in range(2)]
    assert [event.revision for event in received] == [document.revision, last.revision]
    assert recorder.gaps.empty()


async def test_a_busy_loop_is_not_taken_for_a_silent_redis(recorder: FeedRecorder) -> None:
    """This process was busy for longer than Redis may be silent; the answers wait to be read."""
    await recorder.feed.subscribe("{x}:event:channel")
    time.sleep(1.5)
    marker = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(0.5, marker.set_result, None)
    await marker
    assert recorder.gaps.empty()
    assert recorder.feed.live


async def test_stop_ends_its_connection(redis: Redis, admin: Connection) -> None:
    recorder = FeedRecorder(redis)
    await recorder.start()
    await recorder.feed.subscribe("{x}:event:stop")
    assert await listeners(recorder, admin, "{x}:event:stop") == [1]
    await recorder.feed.stop()
    async with asyncio.timeout(WAIT_LIMIT):
        while await listeners(recorder, admin, "{x}:event:stop") != [0]:
            await asyncio.sleep(0.005)
