"""Catching up with changes of items while live events arrive."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence

from support.store import WAIT_LIMIT
from syncline_protocol.items import Change, ChangeKind, Item, ItemsChanged
from syncline_protocol.objects import MAP, Event, Header
from syncline_server.pubsub.catch_up import CatchUp
from syncline_server.pubsub.topic import Topic

SID = "MP" + "0" * 32


class Subscribed:
    """A subscriber, so that the topic is compared."""

    reader = None

    def on_event(self, event: Event) -> None:
        """Ignore it: the test looks at what is delivered."""

    def on_revoked(self, sid: str) -> None:
        """Ignore it."""


class Stored:
    """A collection with one change at each revision; `during_read` is called in a read."""

    def __init__(self, newest: int, during_read: Callable[[], None]) -> None:
        self.newest = newest
        self._during_read = during_read

    async def header(self, service_sid: str, sid: str) -> Header | None:
        raise AssertionError("nobody asks")

    async def missed(self, topic: Topic) -> AsyncGenerator[Event, None]:
        since = topic.delivered
        changes = tuple(changed(revision) for revision in range(since + 1, self.newest + 1))
        self._during_read()
        if changes:
            yield event_of(since, *changes)


def changed(revision: int) -> Change:
    item = Item(
        key=f"k{revision}",
        revision=revision,
        born=revision,
        data=b"{}",
        created_ms=0,
        updated_ms=0,
        expires_ms=None,
        created_by="alice",
        updated_by="alice",
    )
    return Change(kind=ChangeKind.ADDED, item=item)


def event_of(previous: int, *changes: Change) -> ItemsChanged:
    return ItemsChanged(
        sid=SID,
        unique_name=None,
        revision=changes[-1].item.revision,
        previous=previous,
        at_ms=0,
        by="alice",
        changes=changes,
    )


async def nobody_lost_a_right(_: str, __: str, identities: Sequence[str]) -> set[str]:
    return set(identities)


async def caught_up(topic: Topic, stored: Stored, delivered: list[Event]) -> None:
    """Compare the topic until everything that is stored was delivered."""
    done = asyncio.Event()

    def deliver(event: Event) -> None:
        delivered.append(event)
        topic.revision = event.revision
        if event.revision >= stored.newest:
            done.set()

    catch_up = CatchUp(deliver, nobody_lost_a_right)
    catch_up.register(MAP, stored)
    catch_up.start([topic])
    async with asyncio.timeout(WAIT_LIMIT):
        await done.wait()
    catch_up.stop()


async def test_no_change_comes_twice_that_came_live_during_the_read() -> None:
    topic = Topic(service_sid="IS" + "0" * 32, sid=SID, subscribers={Subscribed()}, revision=1)
    delivered: list[Event] = []

    def live_event_comes() -> None:
        if topic.revision == 1:
            delivered.append(event_of(1, changed(2)))
            topic.revision = 2

    await caught_up(topic, Stored(4, live_event_comes), delivered)

    revisions = [
        change.item.revision
        for event in delivered
        if isinstance(event, ItemsChanged)
        for change in event.changes
    ]
    assert revisions == [2, 3, 4]
    assert [event.previous for event in delivered] == [1, 2]


async def test_what_no_live_event_brought_is_delivered_at_once() -> None:
    topic = Topic(service_sid="IS" + "0" * 32, sid=SID, subscribers={Subscribed()}, revision=1)
    delivered: list[Event] = []

    await caught_up(topic, Stored(3, lambda: None), delivered)

    assert [(event.previous, event.revision) for event in delivered] == [(1, 3)]
