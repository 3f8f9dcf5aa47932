"""Subscribers that receive only the newest state, some times a second."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from support.store import Inbox, Service, eventually
from syncline_protocol.documents import Document, Updated
from syncline_protocol.objects import SYSTEM, Event, Removed
from syncline_server.pubsub.hub import Hub
from syncline_server.pubsub.topic import Topic
from syncline_server.storage.objects import Objects
from syncline_server.storage.redis.client import Redis


class Waiting(Inbox):
    """A subscriber whose client waits for its turn, until `stays` is False."""

    stays = True

    def on_newest(self, event: Event) -> bool:
        self.on_event(event)
        return self.stays


class Conflation:
    """One open document with a subscriber of each sort; its events are delivered by hand."""

    def __init__(self, hub: Hub, service: Service, document: Document) -> None:
        self.hub, self._document = hub, document
        self._revision = document.revision
        self.usual, self.waiting = Inbox(), Waiting()
        self.topic = self._join(service, self.usual)
        self._join(service, self.waiting)
        hub.conflate(self.topic, self.waiting)

    def _join(self, service: Service, inbox: Inbox) -> Topic:
        topic = self.hub.join(service.sid, self._document.sid, inbox)
        topic.learn(self._document)
        return topic

    def change(self, times: int = 1) -> list[int]:
        """Deliver so many events in one turn of the loop; returns their revisions."""
        first = self._revision + 1
        for _ in range(times):
            previous, self._revision = self._revision, self._revision + 1
            event = Updated.of(self._document, previous, data=b"{}", expires_ms=None)
            event.revision = self._revision
            self.hub.deliver(event)
        return list(range(first, self._revision + 1))

    async def pause_is_over(self) -> None:
        """Return once the next event would be sent at once."""
        conflated = self.topic.conflated
        assert conflated is not None
        await eventually(lambda: conflated._timer is None)

    def remove(self) -> int:
        """Deliver the removal; returns its revision."""
        previous, self._revision = self._revision, self._revision + 1
        self.hub.deliver(
            Removed(
                sid=self._document.sid,
                unique_name=None,
                revision=self._revision,
                previous=previous,
                at_ms=1,
                by=SYSTEM,
                expired=False,
            )
        )
        return self._revision


@pytest.fixture
async def conflation(redis: Redis, objects: Objects, service: Service) -> AsyncIterator[Conflation]:
    hub = Hub(redis, objects.readers, 1)
    yield Conflation(hub, service, await service.create("prefs"))
    await hub.stop()


def revisions(inbox: Inbox) -> list[int]:
    return [event.revision for event in inbox.rest()]


async def test_the_first_event_comes_at_once_and_of_the_others_the_newest(
    conflation: Conflation,
) -> None:
    changes = conflation.change(20)
    assert revisions(conflation.waiting) == changes[:1]
    assert (await conflation.waiting.next()).revision == changes[-1]
    assert revisions(conflation.usual) == changes


async def test_who_waits_no_more_receives_every_event(conflation: Conflation) -> None:
    first, second = conflation.change(2)
    conflation.waiting.stays = False
    assert (await conflation.waiting.next()).revision == first
    assert (await conflation.waiting.next()).revision == second
    assert conflation.waiting in conflation.topic.slow
    changes = conflation.change(5)
    assert revisions(conflation.waiting) == changes


async def test_where_little_happens_nothing_is_late(conflation: Conflation) -> None:
    for _ in range(3):
        change = conflation.change()
        assert revisions(conflation.waiting) == change
        await conflation.pause_is_over()


async def test_a_removal_is_never_late(conflation: Conflation) -> None:
    changes = conflation.change(3)
    removal = conflation.remove()
    assert revisions(conflation.waiting) == [changes[0], removal]


async def test_who_leaves_receives_no_more(conflation: Conflation) -> None:
    changes = conflation.change(3)
    conflation.hub.leave(conflation.topic, conflation.waiting)
    later = conflation.change()
    await conflation.pause_is_over()
    assert revisions(conflation.waiting) == changes[:1]
    assert revisions(conflation.usual) == changes + later


async def test_who_fails_keeps_it_from_nobody(
    conflation: Conflation, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(event: Event) -> bool:
        raise RuntimeError("a bug")

    other = Waiting()
    conflation.hub.join(service.sid, conflation.topic.sid, other)
    conflation.hub.conflate(conflation.topic, other)
    monkeypatch.setattr(conflation.waiting, "on_newest", fail)
    assert revisions(other) == []
    changes = conflation.change(1)
    assert revisions(other) == changes
