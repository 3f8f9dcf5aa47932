from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from support.store import PATIENCE, Service, Store, eventually, refused
from syncline_protocol.errors import Code
from syncline_server.pubsub.feed import Feed
from syncline_server.pubsub.shard_subscriber import ShardSubscriber
from syncline_server.storage.keys import channel
from syncline_server.storage.redis.address import Address
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.redis.connection import Connection
from syncline_server.storage.redis.engine import SHARD, ExternalRedis

BRIEF = 0.2
"""Seconds that a subscription may take where a test waits for the end of that."""


class Hearing:
    """A feed, and what it told."""

    def __init__(self, redis: Redis, timeout: float = PATIENCE) -> None:
        self.events: asyncio.Queue[Any] = asyncio.Queue()
        self.gaps: asyncio.Queue[list[str]] = asyncio.Queue()
        self.redis = redis
        self.feed = Feed(redis, timeout, self.events.put_nowait, self.gaps.put_nowait)

    async def start(self) -> None:
        """Return once it is connected: its first connection counts as a gap."""
        self.feed.start()
        await self.gap()

    async def event(self) -> Any:
        async with asyncio.timeout(PATIENCE):
            return await self.events.get()

    async def gap(self) -> list[str]:
        async with asyncio.timeout(PATIENCE):
            return await self.gaps.get()


@pytest.fixture
async def hearing(redis: Redis) -> AsyncIterator[Hearing]:
    hearing = Hearing(redis)
    await hearing.start()
    yield hearing
    await hearing.feed.stop()


class Door:
    """The way to the store, which can be shut: who is in stays in, nobody else comes in."""

    def __init__(self, path: Path, store: Store) -> None:
        self._path = path
        self._store = store
        self.engine = ExternalRedis(Address(path=str(path)))

    def open(self) -> None:
        self._path.symlink_to(self._store.url.removeprefix("unix://"))

    def shut(self) -> None:
        self._path.unlink()


@pytest.fixture
def door(tmp_path: Path, store: Store) -> Door:
    door = Door(tmp_path / "redis.sock", store)
    door.open()
    return door


@pytest.fixture
async def behind(door: Door) -> AsyncIterator[Redis]:
    """Commands through the door."""
    redis = Redis(door.engine, PATIENCE)
    await redis.start()
    yield redis
    await redis.stop()


async def listeners(hearing: Hearing, admin: Connection, *channels: str) -> list[int]:
    """How many connections Redis sends each channel to."""
    names = map(hearing.redis.wire_channel, channels)
    reply = await admin.execute("PUBSUB", "NUMSUB", *names)
    return list(reply[1::2])


async def test_it_is_live_once_connected(redis: Redis) -> None:
    hearing = Hearing(redis)
    assert not hearing.feed.live
    await hearing.start()
    assert hearing.feed.live
    await hearing.feed.stop()


async def test_what_is_published_after_a_subscription_comes(
    hearing: Hearing, service: Service
) -> None:
    """Each at once after its confirmation: none is too early."""
    made = await asyncio.gather(*(service.create(f"{n}") for n in range(200)))

    async def subscribe_and_write(sid: str) -> int:
        await hearing.feed.subscribe(channel(service.sid, sid))
        return (await service.set(sid, b'{"a":1}')).document.revision

    written = await asyncio.gather(*(subscribe_and_write(document.sid) for document in made))
    heard = [(await hearing.event()).revision for _ in made]
    assert sorted(heard) == sorted(written)


async def test_events_of_a_document_come_in_order(hearing: Hearing, service: Service) -> None:
    document = await service.create("prefs")
    await hearing.feed.subscribe(channel(service.sid, document.sid))
    writes = [service.set("prefs", b'{"n":%d}' % n) for n in range(300)]
    written = [(await write).document.revision for write in writes]
    heard = [await hearing.event() for _ in written]
    assert [event.revision for event in heard] == written
    assert [event.previous for event in heard] == [document.revision, *written[:-1]]


async def test_what_nobody_wants_any_more_does_not_come(
    hearing: Hearing, service: Service, admin: Connection
) -> None:
    one, other = [await service.create(name) for name in ("one", "other")]
    for document in (one, other):
        await hearing.feed.subscribe(channel(service.sid, document.sid))
    hearing.feed.unsubscribe(channel(service.sid, one.sid))
    # Another command on the same connection: Redis has carried out the one before it.
    await hearing.feed.subscribe(f"{{{service.sid}}}:event:marker")
    await service.set("one", b'{"a":1}')
    await service.set("other", b'{"a":1}')
    assert (await hearing.event()).sid == other.sid
    assert await listeners(hearing, admin, channel(service.sid, one.sid)) == [0]
    hearing.feed.unsubscribe("never subscribed")


async def test_several_that_want_a_channel_share_it(
    hearing: Hearing, service: Service, admin: Connection
) -> None:
    document = await service.create("prefs")
    name = channel(service.sid, document.sid)
    await asyncio.gather(*(hearing.feed.subscribe(name) for _ in range(10)))
    assert await listeners(hearing, admin, name) == [1]
    await service.set("prefs", b'{"a":1}')
    await service.remove("prefs")
    assert [type(await hearing.event()).__name__ for _ in range(2)] == ["Updated", "Removed"]


async def test_a_subscription_that_was_taken_back_and_made_again_is_the_one_that_counts(
    hearing: Hearing, service: Service
) -> None:
    """The first confirmation is of a subscription that an UNSUBSCRIBE has ended since."""
    document = await service.create("prefs")
    name = channel(service.sid, document.sid)
    for number in range(50):
        first = asyncio.ensure_future(hearing.feed.subscribe(name))
        await asyncio.sleep(0)
        for _ in range(number % 4):
            hearing.feed.unsubscribe(name)
            first.cancel()
            first = asyncio.ensure_future(hearing.feed.subscribe(name))
            await asyncio.sleep(0)
        await first
        written = await service.set("prefs", b'{"n":%d}' % number)
        assert (await hearing.event()).revision == written.document.revision
        hearing.feed.unsubscribe(name)


async def test_a_confirmation_of_what_was_taken_back_since_confirms_nothing(
    store: Store, hearing: Hearing, service_sid: str
) -> None:
    name = channel(service_sid, f"ET{'0' * 32}")
    with store.paused():
        first = asyncio.ensure_future(hearing.feed.subscribe(name))
        await asyncio.sleep(0)
        hearing.feed.unsubscribe(name)
        first.cancel()
        second = asyncio.ensure_future(hearing.feed.subscribe(name))
        await asyncio.sleep(0)
        # The answer to the first, as if Redis had been that quick.
        subscriber_of(hearing)._on_push([b"subscribe", name.encode(), 1])
        done, _ = await asyncio.wait([second], timeout=0.05)
        assert not done
    await second


async def test_the_answer_to_an_own_sunsubscribe_ends_no_later_subscription(
    store: Store, hearing: Hearing, service_sid: str
) -> None:
    name = channel(service_sid, f"ET{'0' * 32}")
    await hearing.feed.subscribe(name)
    subscriber = subscriber_of(hearing)
    lost: list[str] = []
    with store.paused(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(hearing.feed, "on_lost", lost.append)
        hearing.feed.unsubscribe(name)
        again = asyncio.ensure_future(hearing.feed.subscribe(name))
        await asyncio.sleep(0)
        # As a Cluster answers.
        pushed = [b"sunsubscribe", hearing.redis.wire_channel(name).encode(), 0]
        subscriber._on_push(pushed)
        assert (lost, name in subscriber.channels) == ([], True)
        # Nobody asked for this one: the slot has moved.
        subscriber._on_push(pushed)
        assert lost == [name]
    again.cancel()


def subscriber_of(hearing: Hearing) -> ShardSubscriber:
    return hearing.feed._subscribers[SHARD]


async def test_a_feed_that_does_not_hear_what_is_published_is_connected_anew(
    hearing: Hearing,
) -> None:
    """As one that hangs on a server that is no master any more: it answers, and is deaf."""
    subscriber = subscriber_of(hearing)
    await eventually(lambda: not subscriber._outstanding)
    subscriber._probe = "{x}:event:nobody hears this"
    await hearing.gap()
    assert subscriber._probe != "{x}:event:nobody hears this"
    assert hearing.feed.live


async def test_a_probe_that_overtakes_its_subscription_proves_nothing(hearing: Hearing) -> None:
    """They go by two connections."""
    subscriber = subscriber_of(hearing)
    await eventually(lambda: not subscriber._outstanding)
    subscriber._probe = "{x}:event:not yet"
    subscriber._outstanding[subscriber._probe] = 1
    connection = subscriber._connection
    assert connection is not None
    await subscriber._send_probe(connection)
    ended, _ = await asyncio.wait([connection.ended], timeout=0.05)
    assert not ended
    assert hearing.gaps.empty()


async def test_after_a_cut_it_tells_of_the_gap_and_hears_again(
    store: Store, hearing: Hearing, service: Service
) -> None:
    made = [await service.create(f"{n}") for n in range(5)]
    channels = [channel(service.sid, document.sid) for document in made]
    for name in channels:
        await hearing.feed.subscribe(name)
    for _ in range(3):
        await store.cut("pubsub")
        assert sorted(await hearing.gap()) == sorted(channels)
        # From the gap on, nothing is missed.
        written = await service.set("0", b'{"a":1}')
        assert (await hearing.event()).revision == written.document.revision


async def test_it_is_not_live_while_it_hears_nothing(
    store: Store, door: Door, behind: Redis
) -> None:
    hearing = Hearing(behind)
    await hearing.start()
    door.shut()
    await store.cut("pubsub")
    await eventually(lambda: not hearing.feed.live)
    door.open()
    await hearing.gap()
    assert hearing.feed.live
    await hearing.feed.stop()


async def test_a_redis_that_hangs_is_noticed_in_about_a_second(
    store: Store, hearing: Hearing
) -> None:
    with store.paused():
        since = time.monotonic()
        await eventually(lambda: not hearing.feed.live)
        assert time.monotonic() - since < 3
    await hearing.gap()
    assert hearing.feed.live


async def test_a_subscription_waits_for_a_connection_that_is_being_made(
    store: Store, door: Door, behind: Redis, service: Service
) -> None:
    document = await service.create("prefs")
    hearing = Hearing(behind)
    await hearing.start()
    door.shut()
    await store.cut("pubsub")
    await eventually(lambda: not hearing.feed.live)
    waiting = asyncio.ensure_future(hearing.feed.subscribe(channel(service.sid, document.sid)))
    await asyncio.sleep(0)
    assert not waiting.done()
    door.open()
    await waiting
    await service.set("prefs", b'{"a":1}')
    assert (await hearing.event()).sid == document.sid
    await hearing.feed.stop()


async def test_a_subscription_that_takes_too_long_is_refused(
    store: Store, door: Door, behind: Redis, service_sid: str
) -> None:
    hearing = Hearing(behind, BRIEF)
    await hearing.start()
    door.shut()
    await store.cut("pubsub")
    await eventually(lambda: not hearing.feed.live)
    name = channel(service_sid, f"ET{'0' * 32}")
    refusal = await refused(hearing.feed.subscribe(name), Code.UNAVAILABLE)
    assert "nothing was opened" in refusal.message
    hearing.feed.unsubscribe(name)
    door.open()
    assert await hearing.gap() == []
    await hearing.feed.stop()


async def test_thousands_of_channels_come_back_before_the_gap_is_told(
    store: Store, hearing: Hearing, service_sid: str, admin: Connection
) -> None:
    channels = [channel(service_sid, f"ET{n:032x}") for n in range(2000)]
    await asyncio.gather(*(hearing.feed.subscribe(name) for name in channels))
    await store.cut("pubsub")
    assert len(await hearing.gap()) == 2000
    assert await listeners(hearing, admin, *channels) == [1] * 2000


@pytest.mark.parametrize(
    "message",
    [b"", b"\n", b"{}", b"[]\n{}", b"5\n", b"\xff\xff", b'{"kind":"updated"}\n', b"null\nnull"],
)
async def test_a_message_that_cannot_be_read_is_a_gap_of_its_channel(
    hearing: Hearing, service: Service, admin: Connection, message: bytes
) -> None:
    """As one of a later version might be, while servers are replaced one after the other."""
    for name in ("prefs", "other"):
        await hearing.feed.subscribe(channel(service.sid, (await service.create(name)).sid))
    document = (await service.set("prefs", b'{"a":1}')).document
    name = hearing.redis.wire_channel(channel(service.sid, document.sid))
    await admin.execute("PUBLISH", name, message)
    assert await hearing.gap() == [channel(service.sid, document.sid)]
    last = (await service.set("prefs", b'{"a":2}')).document
    heard = [await hearing.event() for _ in range(2)]
    assert [event.revision for event in heard] == [document.revision, last.revision]
    assert hearing.gaps.empty()


async def test_a_busy_loop_is_not_taken_for_a_silent_redis(hearing: Hearing) -> None:
    """This process was busy for longer than Redis may be silent; the answers wait to be read."""
    await hearing.feed.subscribe("{x}:event:channel")
    time.sleep(1.5)
    marker = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(0.5, marker.set_result, None)
    await marker
    assert hearing.gaps.empty()
    assert hearing.feed.live


async def test_stop_ends_its_connection(redis: Redis, admin: Connection) -> None:
    hearing = Hearing(redis)
    await hearing.start()
    await hearing.feed.subscribe("{x}:event:stop")
    assert await listeners(hearing, admin, "{x}:event:stop") == [1]
    await hearing.feed.stop()
    async with asyncio.timeout(PATIENCE):
        while await listeners(hearing, admin, "{x}:event:stop") != [0]:
            await asyncio.sleep(0.005)
