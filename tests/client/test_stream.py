"""Handles of streams, on a real server and over both transports."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

import pytest

from support.api import unique
from support.socket import WAIT
from syncline import (
    Client,
    InvalidRequest,
    MessagePublished,
    Missed,
    ObjectRemoved,
    Stream,
)
from syncline.stream_events import merge_stream_event
from syncline_protocol import dates


@pytest.fixture
async def cursors(client: Client) -> Stream:
    return await client.stream(unique())


async def test_messages_come_to_all_who_have_it_open_in_order(
    cursors: Stream, rival: Client
) -> None:
    theirs = await rival.stream(cursors.sid)
    mine, others = cursors.events(), theirs.events()
    sids = [await cursors.publish({"n": n}) for n in range(3)]
    sids.append(await theirs.publish({"n": 3}))
    await cursors.set_ttl(60)
    await cursors.remove()
    async with asyncio.timeout(WAIT):
        heard = [event async for event in mine], [event async for event in others]
    for events, local in zip(heard, ([True] * 3 + [False], [False] * 3 + [True]), strict=True):
        messages = [each for each in events if isinstance(each, MessagePublished)]
        assert [each.data for each in messages] == [{"n": n} for n in range(4)]
        assert [each.sid for each in messages] == sids
        assert [each.is_local for each in messages] == local
        assert messages[0].created_by == "alice"
        *_, expiry, removed = events
        assert expiry.name == "expiry" and isinstance(removed, ObjectRemoved)
    assert cursors.removed


async def test_a_stream_needs_no_name(client: Client) -> None:
    stream = await client.stream()
    assert stream.sid.startswith("TO") and stream.unique_name is None


async def test_data_that_is_no_object_is_refused(cursors: Stream) -> None:
    with pytest.raises(InvalidRequest):
        await cursors.publish([])  # type: ignore[arg-type]


def test_a_slow_listener_learns_how_many_messages_it_missed() -> None:
    def message(n: int) -> MessagePublished:
        date = dates.parse("2026-01-31T00:00:00.000Z")
        return MessagePublished(
            sid=f"TZ{n}", json=b"{}", date_created=date, created_by="a", is_local=False
        )

    queue: deque[Any] = deque([message(1), message(2)])
    for n in range(3, 6):
        merge_stream_event(queue, message(n))
    assert list(queue) == [Missed(count=3), message(4), message(5)]
    merge_stream_event(queue, Missed(count=2))
    merge_stream_event(queue, Missed(count=3))
    assert list(queue)[-1] == Missed(count=5)
