"""Handles of maps, on a real server and over both transports."""

from __future__ import annotations

import pytest

from support.api import unique
from support.listening import EventRecorder
from syncline import (
    Client,
    ItemAdded,
    ItemRemoved,
    ItemUpdated,
    Map,
    NotFound,
    ObjectRemoved,
)


def record(map: Map) -> EventRecorder:
    recorder = EventRecorder()
    for name in ("item_added", "item_updated", "item_removed", "expiry", "reset", "removed"):
        map.on(name, recorder)
    return recorder


@pytest.fixture
async def players(client: Client) -> Map:
    return await client.map(unique())


@pytest.fixture
async def theirs(rival: Client, players: Map) -> Map:
    """The same map in other hands."""
    return await rival.map(players.sid)


class TestItems:
    async def test_what_is_set_is_read(self, players: Map, theirs: Map) -> None:
        written = await players.set("alice", {"score": 1})
        assert (written.key, written.data, written.created_by) == ("alice", {"score": 1}, "alice")
        assert await theirs.get("alice") == await players["alice"] == written
        assert await players.get("bob") is None
        with pytest.raises(NotFound):
            await players["bob"]

    async def test_each_change_comes_as_an_event(self, players: Map, theirs: Map) -> None:
        mine, others = record(players), record(theirs)
        await players.set("a", {"n": 1})
        await theirs.patch("a", merge={"n": 2})
        await players.remove("a")
        await players.remove_map()
        for recorder, is_mine in ((mine, True), (others, False)):
            added, updated, removed, gone = [await recorder.next() for _ in range(4)]
            assert isinstance(added, ItemAdded) and added.data == {"n": 1}
            assert isinstance(updated, ItemUpdated) and updated.data == {"n": 2}
            assert isinstance(removed, ItemRemoved) and removed.data in ({"n": 2}, None)
            assert isinstance(gone, ObjectRemoved)
            local = [event.is_local for event in (added, updated, removed, gone)]
            assert local == [is_mine, not is_mine, is_mine, is_mine]
