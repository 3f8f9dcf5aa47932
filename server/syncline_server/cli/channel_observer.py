"""An observer for `syncline verify` that reads events and changes of items in Redis itself."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

import orjson

from syncline import ConnectionLost
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.item_commands import ItemQuery
from syncline_protocol.items import ItemsChanged, ItemsReset
from syncline_protocol.objects import SYSTEM, Event, ExpiryChanged, Removed, type_of_sid
from syncline_protocol.streams import Message
from syncline_server.config.settings import Settings
from syncline_server.pubsub.feed import Feed
from syncline_server.storage.author import Author
from syncline_server.storage.errors import StorageError
from syncline_server.storage.items import Items
from syncline_server.storage.keys import ObjectAddress, channel, sid_of_channel
from syncline_server.storage.notices import Notice
from syncline_server.storage.objects import Objects
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.redis.data_set import DataSet
from syncline_server.storage.redis.urls import engine_of
from syncline_tools.verify.items.collection import LIST, MAP, STREAM, Collection
from syncline_tools.verify.items.records import ItemChange, ItemState
from syncline_tools.verify.items.sight import ItemSight

from .observed_items import observed_change, observed_item, observed_replay, without_change

__all__ = ["ChannelObserver"]

RETRY_PAUSE = 0.2
"""Seconds before a read is tried again while Redis is away."""

REVISIONS_KEPT = 40
"""Revisions of each collection that are remembered, to read what has changed since one of them."""

READER = Author(identity=SYSTEM)


@dataclass(slots=True, eq=False)
class _Topic:
    """A collection that is followed.

    Attributes:
        at: its address.
        revision: of the copy; None while there is none, or it is being brought up to date.
        read: the revision up to which the copy was read, not received.
        waiting: events that came meanwhile.
        revisions: at which there was a copy, lately.
    """

    at: ObjectAddress
    revision: int | None = None
    read: int = 0
    waiting: list[Event] = field(default_factory=list)
    revisions: deque[int] = field(default_factory=lambda: deque(maxlen=REVISIONS_KEPT))
    work: asyncio.Task[None] | None = None


class ChannelObserver:
    """Subscribes to the channels of collections, as a server does, and keeps a copy of each.

    Its connections to Redis are its own: it is one subscriber.
    """

    receives_events = True
    types = frozenset({LIST, MAP, STREAM})

    def __init__(self, redis_url: str, settings: Settings, *, sight: ItemSight) -> None:
        """Raises `SettingError`: the URL cannot be used."""
        self.sight = sight
        timeout = settings.redis_timeout
        self._redis = Redis(
            engine_of(redis_url, timeout), timeout, data_set=DataSet("", settings.redis_prefix)
        )
        self._items = Items(self._redis, Objects(self._redis, settings.operation_memory), settings)
        self._feed = Feed(self._redis, timeout, self._on_event, self._on_gap)
        self._topics: dict[str, _Topic] = {}

    async def open(self) -> None:
        """As of `ItemObserver`. Raises `ConnectionLost`: Redis is not there."""
        await self._redis.engine.start()
        await self._redis.start()
        if not self._redis.connected:
            raise ConnectionLost(f"{self._redis.engine} cannot be reached: check --redis-url")
        self._feed.start()
        self.sight.connect()

    async def close(self) -> None:
        """As of `ItemObserver`."""
        works = [topic.work for topic in self._topics.values() if topic.work is not None]
        for work in works:
            work.cancel()
        await asyncio.gather(*works, return_exceptions=True)
        await self._feed.stop()
        await self._redis.stop()
        await self._redis.engine.stop()

    async def follow(self, collection: Collection) -> None:
        """As of `ItemObserver`."""
        sid, service_sid = collection.sid, collection.service_sid
        at = ObjectAddress(service_sid, type_of_sid(sid), sid)
        topic = self._topics[sid] = _Topic(at)
        while True:
            try:
                await self._feed.subscribe(channel(service_sid, sid))
                break
            except Refusal:
                await asyncio.sleep(RETRY_PAUSE)
        if collection.type != STREAM:
            self._work_on(topic)
            # A gap meanwhile begins it again.
            while topic.revision is None and topic.work is not None:
                await asyncio.wait({topic.work})
                if not topic.work.cancelled():
                    topic.work.result()

    async def try_replay(self, collection: Collection) -> None:
        """As of `ItemObserver`."""
        topic = self._topics.get(collection.sid)
        if topic is None or topic.revision is None or not topic.revisions:
            return
        since = topic.revisions[0]
        try:
            found = await self._changes_since(topic, since)
        except (Refusal, StorageError):
            return
        # After a failover that lost writes, no change leads from what was lost to what is stored.
        if found is not None and since in topic.revisions:
            revision, changes = found
            self.sight.replay(collection.sid, since, revision, changes, is_adopted=False)

    async def _open(self, topic: _Topic) -> None:
        """Make a copy. Events that come meanwhile wait."""
        topic.revisions.clear()
        began, sid = self.sight.now(), topic.at.sid
        while True:
            try:
                first, states = await self._pages(topic)
                found = await self._changes_since(topic, first)
                break
            except (Refusal, StorageError) as error:
                await self._pause(error)
        # The pages are of different moments: what changed since the first makes them one.
        revision, changes = found or (first, [])
        for change in changes:
            states.pop(change.key, None)
            if change.content is not None:
                states[change.key] = without_change(change)
        self.sight.open(sid, began, revision, states.values())
        self._go_on(topic, revision)

    async def _catch_up(self, topic: _Topic, since: int) -> None:
        """Bring the copy of a revision up to date after events may have been missed."""
        while True:
            try:
                found = await self._changes_since(topic, since)
            except (Refusal, StorageError) as error:
                await self._pause(error)
                continue
            if found is None or found[0] < since:
                break
            self.sight.replay(topic.at.sid, since, *found, is_adopted=True)
            return self._go_on(topic, found[0])
        await self._open(topic)

    async def _pause(self, error: Refusal | StorageError) -> None:
        """Wait before a read is tried again; raises `ConnectionLost` where that is of no use."""
        if isinstance(error, Refusal) and error.code is not Code.UNAVAILABLE:
            raise ConnectionLost(
                f"{self._redis.engine} is not the Redis of this server, or has lost its data: "
                "check --redis-url"
            )
        await asyncio.sleep(RETRY_PAUSE)

    def _go_on(self, topic: _Topic, revision: int) -> None:
        """There is a copy at this revision: pass what waited."""
        topic.revision = topic.read = revision
        topic.revisions.append(revision)
        waiting, topic.waiting = topic.waiting, []
        for event in waiting:
            self._on_event(event)

    def _on_gap(self, channels: list[str]) -> None:
        topics = [self._topics.get(sid_of_channel(each)) for each in channels]
        known = [topic for topic in topics if topic is not None]
        if known:
            self.sight.lose("events may have been missed")
            self.sight.connect()
        for topic in known:
            if topic.at.type.has_items:
                self._work_on(topic)

    def _work_on(self, topic: _Topic, *, is_lost: bool = False) -> None:
        """Bring the copy up to date, or make another one if what it has was lost."""
        # At once: events that come before the task begins must wait for it.
        since, topic.revision = topic.revision, None
        if topic.work is not None and not topic.work.done():
            # It may have read before the gap, so it begins again.
            topic.work.cancel()
        topic.work = asyncio.create_task(
            self._open(topic) if is_lost or since is None else self._catch_up(topic, since)
        )

    def _on_event(self, event: Event | Notice) -> None:
        if isinstance(event, Notice):
            return
        topic = self._topics.get(event.sid)
        if topic is None:
            return
        if isinstance(event, Message):
            return self.sight.receive(event.sid, orjson.loads(event.data).get("w"))
        if topic.revision is None:
            topic.waiting.append(event)
        else:
            self._receive(topic, event)

    def _receive(self, topic: _Topic, event: Event) -> None:
        assert topic.revision is not None
        if event.revision <= topic.read:
            return  # what was read has it; events come over another connection, maybe later
        if isinstance(event, Removed):
            return self.sight.remove(event.sid, event.revision, event.expired)
        if isinstance(event, ItemsReset) or event.previous < topic.revision < event.revision:
            # A failover lost writes that this client has: only the items themselves tell which.
            self.sight.lose("the store has lost writes")
            self.sight.connect()
            return self._work_on(topic, is_lost=True)
        changes = event.changes if isinstance(event, ItemsChanged) else ()
        assert isinstance(event, ItemsChanged | ExpiryChanged)
        self.sight.change(
            event.sid,
            event.revision,
            event.previous,
            [observed_change(topic.at, each) for each in changes],
        )
        topic.revision = max(topic.revision, event.revision)
        topic.revisions.append(topic.revision)

    async def _pages(self, topic: _Topic) -> tuple[int, dict[str, ItemState]]:
        """All items, and the revision of the collection at the first page."""
        states: dict[str, ItemState] = {}
        page = await self._items.page(topic.at, ItemQuery(size=100), READER)
        first = page.header.revision
        while True:
            states |= {
                state.key: state for state in (observed_item(topic.at, i) for i in page.items)
            }
            if page.next_key is None:
                return first, states
            query = ItemQuery(start=page.next_key, is_inclusive=False, size=100)
            page = await self._items.page(topic.at, query, READER)

    async def _changes_since(
        self, topic: _Topic, revision: int
    ) -> tuple[int, list[ItemChange]] | None:
        """The revision that the changes lead to, and these; None if they are not known any more."""
        changes: list[ItemChange] = []
        since: int | None = revision
        while True:
            assert since is not None
            replay = await self._items.changes_since(topic.at, since, READER)
            if replay.is_reset:
                return None
            changes += [observed_replay(topic.at, each) for each in replay.changes]
            since = replay.more_since
            if since is None:
                return replay.header.revision, changes
