from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from support.store import WAIT_LIMIT, Clock, Elapse, Inbox, Service, Store, eventually, refused
from syncline_protocol.documents import Document, Updated
from syncline_protocol.errors import Code
from syncline_protocol.items import ItemsReset
from syncline_protocol.objects import DOCUMENT, Event, ExpiryChanged, Removed
from syncline_server.objects.documents import DocumentSource
from syncline_server.observability.metrics import Tally
from syncline_server.pubsub import catch_up
from syncline_server.pubsub import hub as server_hub
from syncline_server.pubsub.hub import Hub
from syncline_server.pubsub.topic import Format, Topic
from syncline_server.storage import keys
from syncline_server.storage.errors import Unavailable
from syncline_server.storage.keys import ObjectAddress
from syncline_server.storage.objects import Objects
from syncline_server.storage.redis.address import Address
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.redis.connection import Connection
from syncline_server.storage.redis.embedded import EmbeddedRedis

Deafen = Callable[[bool], Awaitable[None]]

IN_TIME = 3.0
"""Seconds: what is to happen in about one, on a machine that has other things to do."""


def make_hub(redis: Redis, objects: Objects, timeout: float = WAIT_LIMIT) -> Hub:
    hub = Hub(redis, objects.readers, timeout)
    hub.register(DOCUMENT, DocumentSource(objects, DOCUMENT, hub.now_ms))
    objects.committer.on_trouble = hub.on_trouble
    return hub


@pytest.fixture
async def hub(redis: Redis, objects: Objects) -> AsyncIterator[Hub]:
    hub = make_hub(redis, objects)
    hub.start()
    await eventually(lambda: hub.live)
    yield hub
    await hub.stop()


async def opened(hub: Hub, service: Service, document: Document, inbox: Inbox) -> Topic:
    """Join as a session does: it has read the document, and is live."""
    topic = hub.join(service.sid, document.sid, inbox)
    topic.learn(document)
    await hub.make_live(topic)
    topic.acknowledged = max(topic.acknowledged, document.revision)
    return topic


async def subscriptions(admin: Connection, service: Service, document: Document) -> int:
    names = await admin.execute("PUBSUB", "CHANNELS", f"{{{service.sid}:*:{document.sid}")
    counts = (await admin.execute("PUBSUB", "NUMSUB", *names))[1::2]
    return sum(counts)


async def until_dropped(admin: Connection, service: Service, document: Document) -> None:
    async with asyncio.timeout(WAIT_LIMIT):
        while await subscriptions(admin, service, document):
            await asyncio.sleep(0.005)


async def test_every_subscriber_gets_the_same_event_through_one_subscription(
    hub: Hub, service: Service, admin: Connection
) -> None:
    document = await service.create("prefs")
    inboxes = [Inbox() for _ in range(50)]
    await asyncio.gather(*(opened(hub, service, document, inbox) for inbox in inboxes))
    assert await subscriptions(admin, service, document) == 1
    written = (await service.set("prefs", b'{"a":1}')).state
    events = [await inbox.next() for inbox in inboxes]
    assert events[0].revision == written.revision
    # The same object: what it is encoded to is shared.
    assert all(event is events[0] for event in events)


async def test_who_left_receives_no_more_and_others_do(hub: Hub, service: Service) -> None:
    document = await service.create("prefs")
    stays, leaves = Inbox(), Inbox()
    topic = await opened(hub, service, document, stays)
    assert await opened(hub, service, document, leaves) is topic
    hub.leave(topic, leaves)
    hub.leave(topic, leaves)
    await service.set("prefs", b'{"a":1}')
    await stays.next()
    assert leaves.rest() == []


async def test_documents_are_kept_apart(hub: Hub, service: Service) -> None:
    one, other = [await service.create(name) for name in ("one", "other")]
    of_one, of_other = Inbox(), Inbox()
    await opened(hub, service, one, of_one)
    await opened(hub, service, other, of_other)
    await service.set("one", b'{"a":1}')
    await service.remove("other")
    assert isinstance(await of_one.next(), Updated)
    assert isinstance(await of_other.next(), Removed)
    assert of_one.rest() == of_other.rest() == []


async def test_no_revision_comes_twice(hub: Hub, service: Service, admin: Connection) -> None:
    document = await service.create("prefs")
    inbox = Inbox()
    topic = await opened(hub, service, document, inbox)
    await service.set("prefs", b'{"a":1}')
    first = await inbox.next()
    await service.set("prefs", b'{"a":2}')
    second = await inbox.next()
    for event in (first, second, first):
        hub._on_event(event)
    assert inbox.rest() == []
    assert topic.revision == second.revision


async def test_a_channel_outlives_its_last_subscriber_for_a_while(
    hub: Hub, service: Service, admin: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_hub, "LINGER", 0.2)
    document = await service.create("prefs")
    inbox = Inbox()
    topic = await opened(hub, service, document, inbox)
    hub.leave(topic, inbox)
    assert await subscriptions(admin, service, document) == 1
    await until_dropped(admin, service, document)
    # It is opened again like any other.
    again = await opened(hub, service, document, inbox)
    assert again is not topic
    await service.set("prefs", b'{"a":1}')
    await inbox.next()


async def test_who_comes_back_in_time_finds_the_channel_as_it_was(
    hub: Hub, service: Service, admin: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_hub, "LINGER", 0.05)
    document = await service.create("prefs")
    first, second = Inbox(), Inbox()
    topic = await opened(hub, service, document, first)
    subscribed = await calls_of_subscribe(admin)
    for _ in range(20):
        hub.leave(topic, first)
        assert await opened(hub, service, document, second) is topic
        hub.leave(topic, second)
        assert await opened(hub, service, document, first) is topic
    passed = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(0.1, passed.set_result, None)
    await passed
    assert await subscriptions(admin, service, document) == 1
    assert await calls_of_subscribe(admin) == subscribed
    await service.set("prefs", b'{"a":1}')
    await first.next()
    assert second.rest() == []


async def test_the_time_begins_again_with_the_last_who_leaves(
    hub: Hub, service: Service, admin: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = await service.create("prefs")
    inbox = Inbox()
    topic = await opened(hub, service, document, inbox)
    monkeypatch.setattr(server_hub, "LINGER", 0.02)
    hub.leave(topic, inbox)
    assert await opened(hub, service, document, inbox) is topic
    monkeypatch.setattr(server_hub, "LINGER", 3600.0)
    hub.leave(topic, inbox)
    passed = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(0.1, passed.set_result, None)
    await passed
    assert await subscriptions(admin, service, document) == 1
    assert await opened(hub, service, document, inbox) is topic


async def calls_of_subscribe(admin: Connection) -> str:
    statistics = (await admin.execute("INFO", "commandstats")).decode().split()
    [line] = [line for line in statistics if line.startswith("cmdstat_subscribe:")]
    return str(line.partition(",")[0])


async def test_a_topic_that_cannot_be_live_is_refused(
    store: Store, hub: Hub, service: Service, redis: Redis, objects: Objects
) -> None:
    document = await service.create("prefs")
    impatient = make_hub(redis, objects, timeout=0.05)
    topic = impatient.join(service.sid, document.sid, Inbox())
    await refused(impatient.make_live(topic), Code.UNAVAILABLE)
    await impatient.stop()


# Gaps


@pytest.fixture
def deafen(hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch) -> Deafen:
    """Cuts the feed, and keeps it from connecting until it is called with False."""
    engine = hub.feed._redis.engine
    let_in = asyncio.Event()
    address = engine.address

    async def wait(shard: str) -> Address:
        await let_in.wait()
        return await address(shard)

    async def deafen(deaf: bool) -> None:
        if deaf:
            monkeypatch.setattr(engine, "address", wait)
            await store.cut("pubsub")
            await eventually(lambda: not hub.live)
        else:
            let_in.set()

    return deafen


async def test_what_was_missed_is_made_up_for_once_it_is_live_again(
    hub: Hub, service: Service, deafen: Deafen
) -> None:
    missed, unchanged, gone = [await service.create(f"{n}", b'{"a":0}') for n in range(3)]
    inboxes = [Inbox() for _ in range(3)]
    for document, inbox in zip((missed, unchanged, gone), inboxes, strict=True):
        await opened(hub, service, document, inbox)
    await deafen(True)
    for number in range(3):
        last = (await service.set("0", b'{"a":%d}' % number, 60)).state
    await service.remove("2")
    await deafen(False)
    since = time.monotonic()
    # The newest state alone, and what came before it for this subscriber.
    update = await inboxes[0].next()
    assert isinstance(update, Updated)
    assert (update.revision, update.data) == (last.revision, last.data)
    assert (update.expires_ms, update.by, update.at_ms) == (
        last.expires_ms,
        last.updated_by,
        last.updated_ms,
    )
    removal = await inboxes[2].next()
    assert isinstance(removal, Removed) and not removal.expired
    assert (removal.revision > gone.revision, removal.previous) == (True, gone.revision)
    assert time.monotonic() - since < IN_TIME
    # Later ones come by the feed, and the one that did not change is at its revision.
    written = (await service.set("0", b'{"a":9}')).state
    assert (await inboxes[0].next()).revision == written.revision
    assert {event.revision for event in inboxes[1].rest()} <= {unchanged.revision}
    assert inboxes[0].rest() == inboxes[2].rest() == []


async def test_a_cut_feed_leaves_nobody_stale(hub: Hub, service: Service, store: Store) -> None:
    """Writes go on while the feed is cut again and again."""
    made = [await service.create(f"{n}") for n in range(20)]
    inboxes = {document.sid: Inbox() for document in made}
    for document in made:
        await opened(hub, service, document, inboxes[document.sid])
    for number in range(10):
        await asyncio.gather(
            store.cut("pubsub"),
            *(service.set(document.sid, b'{"n":%d}' % number) for document in made),
        )
    newest = {document.sid: await service.get(document.sid) for document in made}
    for sid, inbox in inboxes.items():
        state = newest[sid]
        assert state is not None
        revisions = [0]
        while revisions[-1] < state.revision:
            revisions.append((await inbox.next()).revision)
        assert revisions == sorted(set(revisions))


@pytest.fixture
def advance(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Lets Redis' time, as the hub sees it, be so many ms later."""
    real = Redis.now_ms

    def advance(ms: int) -> None:
        monkeypatch.setattr(Redis, "now_ms", lambda self, *tag: real(self, *tag) + ms)

    return advance


async def test_a_document_whose_expiry_was_missed_is_gone(
    hub: Hub,
    service: Service,
    deafen: Deafen,
    elapse: Elapse,
    advance: Callable[[int], None],
) -> None:
    document = await service.create("prefs", ttl=60)
    inbox = Inbox()
    await opened(hub, service, document, inbox)
    await deafen(True)
    await elapse(61_000)
    advance(61_000)
    await deafen(False)
    event = await inbox.next()
    assert isinstance(event, Removed)
    assert (event.unique_name, event.expired) == ("prefs", True)


@pytest.mark.parametrize("ttl", [None, 600])
async def test_a_removal_that_was_missed_has_the_name_and_is_no_expiry(
    hub: Hub, service: Service, deafen: Deafen, ttl: int | None
) -> None:
    document = await service.create("prefs", ttl=ttl)
    inbox = Inbox()
    await opened(hub, service, document, inbox)
    await deafen(True)
    await service.remove("prefs")
    await deafen(False)
    event = await inbox.next()
    assert isinstance(event, Removed)
    assert (event.unique_name, event.expired) == ("prefs", False)


@pytest.mark.parametrize(("ttl", "later", "expired"), [(60, 600, False), (600, 60, True)])
async def test_the_newest_deadline_counts_whichever_way_it_became_known(
    hub: Hub,
    service: Service,
    deafen: Deafen,
    advance: Callable[[int], None],
    ttl: int,
    later: int,
    expired: bool,
) -> None:
    document = await service.create("prefs", ttl=ttl)
    inbox = Inbox()
    await opened(hub, service, document, inbox)
    await service.set("prefs", None, later)
    assert isinstance(await inbox.next(), Updated)
    await deafen(True)
    await service.remove("prefs")
    advance(61_000)
    await deafen(False)
    event = await inbox.next()
    assert isinstance(event, Removed)
    assert (event.unique_name, event.expired) == ("prefs", expired)


async def test_a_removal_that_was_missed_is_newer_than_all_that_was_received(
    hub: Hub, service: Service, deafen: Deafen, clock: Clock
) -> None:
    """Although this server's clock is behind the one by which the document was written."""
    document = await service.create("prefs")
    inbox = Inbox()
    await opened(hub, service, document, inbox)
    await deafen(True)
    await service.remove("prefs")
    clock.offset_ms = -3_600_000
    await deafen(False)
    event = await inbox.next()
    assert isinstance(event, Removed)
    assert (event.revision > document.revision, event.previous) == (True, document.revision)


async def test_who_holds_a_revision_that_redis_lost_is_brought_to_what_it_kept(
    hub: Hub, service: Service, deafen: Deafen, admin: Connection, clock: Clock
) -> None:
    """As after a failover to a replica that had missed the last writes."""
    document = await service.create("prefs", b'{"n":0}', who="alice")
    inbox = Inbox()
    await opened(hub, service, document, inbox)
    key = f"{keys.tag_of(service.sid, 'prefs')}:document:{document.sid}"
    kept = await admin.execute("DUMP", key)
    lost = (await service.set("prefs", b'{"n":1}', who="bob")).state
    assert (await inbox.next()).revision == lost.revision
    await deafen(True)
    await admin.execute("RESTORE", key, 0, kept, "REPLACE")
    await deafen(False)
    event = await inbox.next()
    assert isinstance(event, Updated)
    assert (event.data, event.by, event.revision > lost.revision) == (b'{"n":0}', "alice", True)
    newest = await service.get("prefs")
    assert newest is not None and newest.revision == event.revision


async def test_a_comparison_waits_for_a_store_that_is_away(
    hub: Hub, service: Service, deafen: Deafen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catch_up, "PAUSE_LIMIT", 0.01)
    document = await service.create("prefs")
    inbox = Inbox()
    await opened(hub, service, document, inbox)
    await deafen(True)
    written = (await service.set("prefs", b'{"a":1}')).state
    get, failures = service.objects.get, 3

    async def away(at: ObjectAddress) -> Document | None:
        nonlocal failures
        if failures:
            failures -= 1
            raise Unavailable("The store is unavailable.")
        return await get(at)

    monkeypatch.setattr(service.objects, "get", away)
    await deafen(False)
    assert (await inbox.next()).revision == written.revision
    assert failures == 0


async def test_a_redis_that_is_killed_and_started_again_leaves_nobody_stale(
    tmp_path: Path, service_sid: str
) -> None:
    engine = EmbeddedRedis(tmp_path, "always")
    await engine.start()
    redis = Redis(engine, WAIT_LIMIT)
    await redis.start()
    service = Service(Objects(redis, 60), service_sid)
    hub = make_hub(redis, service.objects)
    hub.start()
    try:
        document = await service.create("prefs")
        inbox = Inbox()
        await opened(hub, service, document, inbox)
        assert engine._process is not None
        engine._process.kill()
        await eventually(lambda: not redis.connected)
        await eventually(lambda: redis.connected)
        written = await service.set("prefs", b'{"a":1}')
        # The comparison may have delivered the state before first.
        while (await inbox.next()).revision != written.state.revision:
            pass
    finally:
        await hub.stop()
        await redis.stop()
        await engine.stop()


class Written:
    """An outlet that keeps what is written."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.write = self.frames.append
        self.corked: list[bytes] | None = None


async def test_events_that_a_protocol_does_not_have_and_resets_on_the_fast_path(
    hub: Hub, service: Service
) -> None:
    document = await service.create("prefs")
    inbox, outlet, tally = Inbox(), Written(), Tally()
    topic = await opened(hub, service, document, inbox)

    def encode(event: Event) -> bytes:
        return b"" if isinstance(event, ExpiryChanged) else b"frame"

    hub.join_fast_path(topic, inbox, Format(encode, None, tally), outlet)
    head: dict[str, Any] = {"sid": document.sid, "unique_name": None, "at_ms": 0, "by": "alice"}
    first = document.revision + 1
    hub.deliver(ExpiryChanged(**head, revision=first, previous=first - 1, expires_ms=None))
    hub.deliver(ItemsReset(**head, revision=first + 1, previous=first))
    await eventually(lambda: outlet.frames == [b"frame"])
    assert (tally.events, tally.resets) == (1, 1)
