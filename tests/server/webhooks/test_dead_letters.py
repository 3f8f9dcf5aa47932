from __future__ import annotations

import pytest

from support.rig import Rig
from support.store import refused
from syncline_protocol.errors import Code
from syncline_server.storage.services import Service
from syncline_server.webhooks.events import QueuedEvent
from syncline_server.webhooks.outcome import Outcome
from syncline_server.webhooks.queue import NEW

FAILED = Outcome(500, "The receiver answered with 500.")


def event(number: int) -> QueuedEvent:
    return QueuedEvent(
        id=f"{1_700_000_000_000 + number}-0",
        bucket="3f",
        kind="document_updated",
        subject="ET1",
        identity="alice",
        data="{}",
    )


@pytest.fixture
async def known(rig: Rig) -> Service:
    return await rig.service("http://127.0.0.1:9/")


async def test_parked_ones_are_listed_in_pages_the_oldest_first(rig: Rig, known: Service) -> None:
    for number in (2, 0, 1, 0):
        assert await rig.dead_letters.park(known.sid, event(number), 3, FAILED) == 0
    first = await rig.dead_letters.page(known.sid, 2, None)
    rest = await rig.dead_letters.page(known.sid, 2, first.next)
    parked = first.items + rest.items
    assert [each.event for each in parked] == [event(0), event(1), event(2)]
    assert (parked[0].attempts, parked[0].status, parked[0].reason) == (3, 500, FAILED.reason)
    assert await rig.dead_letters.count(known.sid) == 3


async def test_the_oldest_give_way(rig: Rig, known: Service) -> None:
    rig = rig.with_settings(webhook_parked_limit=2)
    gone = [await rig.dead_letters.park(known.sid, event(n), 1, FAILED) for n in range(4)]
    assert gone == [0, 0, 1, 1]
    page = await rig.dead_letters.page(known.sid, 10, None)
    assert [each.event for each in page.items] == [event(2), event(3)]


async def test_one_is_queued_again_behind_what_waits(rig: Rig, known: Service) -> None:
    await rig.dead_letters.park(known.sid, event(0), 1, FAILED)
    parked = (await rig.dead_letters.page(known.sid, 1, None)).items[0]
    await rig.dead_letters.replay(known.sid, parked.id)
    assert await rig.dead_letters.count(known.sid) == 0
    assert list((await rig.queue.buckets())[known.sid]) == ["3f"]
    [again] = (await rig.queue.read_batch(known.sid, "3f", NEW, 10)).events
    assert again.fields == event(0).fields
    assert again.at_ms > event(0).at_ms


async def test_one_that_is_not_there_is_said_to_be_missing(rig: Rig, known: Service) -> None:
    await rig.dead_letters.park(known.sid, event(0), 1, FAILED)
    await rig.dead_letters.drop(known.sid, event(0).key)
    for attempt in (
        rig.dead_letters.get(known.sid, event(0).key),
        rig.dead_letters.replay(known.sid, "x"),
        rig.dead_letters.drop(known.sid, event(0).key),
    ):
        await refused(attempt, Code.NOT_FOUND)
    assert await rig.queue.buckets() == {}
