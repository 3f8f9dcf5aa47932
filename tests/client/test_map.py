"""Handles of maps, on a real server and over both transports."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from support.api import unique
from support.listening import EventReader
from support.server import RunningServer
from support.socket import WAIT
from syncline import (
    Client,
    Conflict,
    HandleClosed,
    InvalidRequest,
    ItemAdded,
    ItemRemoved,
    ItemUpdated,
    Map,
    NotFound,
    ObjectRemoved,
    RevisionMismatch,
    TooLarge,
    UsageError,
    connect,
)


@pytest.fixture
async def players(client: Client) -> Map:
    return await client.map(unique())


@pytest.fixture
async def theirs(rival: Client, players: Map) -> Map:
    """The same map in other hands."""
    return await rival.map(players.sid)


async def fill(map: Map, number: int) -> list[str]:
    keys = [f"{n:04}" for n in range(number)]
    for start in range(0, number, 100):
        async with map.batch() as batch:
            for key in keys[start : start + 100]:
                batch.add(key, {"key": key})
    return keys


class TestOpening:
    async def test_the_header_is_known(self, client: Client) -> None:
        name = unique("a/é ")
        async with await client.map(name, ttl=60) as players:
            assert players.unique_name == name and players.sid.startswith("MP")
            assert players.created_by == "alice" and not players.removed
            assert players.date_expires is not None
            assert repr(players) == f"<Map {name} at revision {players.revision}>"
        with pytest.raises(HandleClosed):
            await players.get("a")
        with pytest.raises(Conflict):
            await client.map(name, mode="create_new")
        with pytest.raises(NotFound):
            await client.map(unique(), mode="open_existing")
        with pytest.raises(InvalidRequest):
            await client.map(name, mode="any")  # type: ignore[call-overload]

    async def test_a_map_needs_no_name(self, client: Client) -> None:
        players = await client.map()
        assert players.sid.startswith("MP") and players.unique_name is None

    async def test_its_expiry_is_changed_and_announced(self, players: Map, theirs: Map) -> None:
        others = EventReader(theirs)
        await players.set_ttl(60)
        event = await others.next()
        assert event.name == "expiry" and event.date_expires == theirs.date_expires is not None


class TestItems:
    async def test_what_is_set_is_read(self, players: Map, theirs: Map) -> None:
        written = await players.set("alice", {"score": 1}, ttl=60)
        assert (written.key, written.data, written.created_by) == ("alice", {"score": 1}, "alice")
        assert written.date_expires is not None
        for map in (players, theirs):
            item = await map["alice"]
            assert (item.data, item.revision) == (written.data, written.revision)
        assert await players.get("bob") is None
        assert await players.get("bob", 1) == 1
        with pytest.raises(NotFound) as missing:
            await players["bob"]
        assert missing.value.code == 54201

    async def test_each_change_comes_as_an_event(self, players: Map, theirs: Map) -> None:
        mine, others = EventReader(players), EventReader(theirs)
        await players.set("a", {"n": 1})
        await theirs.patch("a", merge={"n": 2})
        for recorder in (mine, others):
            assert isinstance(await recorder.next(), ItemAdded)
            assert isinstance(await recorder.next(), ItemUpdated)
        await players.remove("a")
        await players.remove_map()
        for recorder, is_mine in ((mine, True), (others, False)):
            removed, gone = [await recorder.next() for _ in range(2)]
            assert isinstance(removed, ItemRemoved) and removed.data == {"n": 2}
            assert isinstance(gone, ObjectRemoved)
            assert (removed.is_local, gone.is_local) == (is_mine, is_mine)

    async def test_own_writes_are_announced_once_as_local(self, players: Map, theirs: Map) -> None:
        events = players.events()
        await players.add("a", {"n": 1})
        await players.increment("a", "/n")
        await players.set_item_ttl("a", 60)
        await theirs.set("b", {})
        await players.remove("a")
        await players.remove_map()
        async with asyncio.timeout(WAIT):
            heard = [(e.name, getattr(e, "key", None), e.is_local) async for e in events]  # type: ignore[union-attr]
        assert heard == [
            ("item_added", "a", True),
            ("item_updated", "a", True),
            ("item_updated", "a", True),
            ("item_added", "b", False),
            ("item_removed", "a", True),
            ("removed", None, True),
        ]

    async def test_conditions(self, players: Map, theirs: Map) -> None:
        first = await players.set("a", {"n": 1}, if_match="-1")
        second = await theirs.set("a", {"n": 2}, if_match=first.revision)
        for condition in ("-1", first.revision):
            with pytest.raises(RevisionMismatch) as refused:
                await players.set("a", {"n": 3}, if_match=condition)
            if condition != "-1":
                assert refused.value.item is not None
                assert refused.value.item.revision == second.revision
        with pytest.raises(Conflict) as taken:
            await players.add("a", {})
        assert taken.value.code == 54208 and taken.value.item is not None
        assert taken.value.item.data == {"n": 2}
        with pytest.raises(RevisionMismatch):
            await players.remove("a", if_match=first.revision)
        await players.remove("a", if_match=second.revision)
        for write in (
            players.remove("a"),
            players.patch("a", merge={}),
            players.increment("a", "/n"),
        ):
            with pytest.raises(NotFound) as missing:
                await write
            assert missing.value.code == 54201

    async def test_rules(self, players: Map) -> None:
        await players.set("a", {"n": 1, "keep": True})
        assert (await players.update("a", {"n": 2})).data == {"n": 2, "keep": True}
        assert (await players.increment("a", "/n", 3)).data["n"] == 5
        assert (await players.patch("a", merge={"keep": None})).data == {"n": 5}
        with pytest.raises(TypeError):
            await players.patch("a")
        with pytest.raises(Conflict):
            await players.patch("a", operations=[{"op": "remove", "path": "/none"}])

    async def test_mutations_of_rivals_all_count(self, players: Map, theirs: Map) -> None:
        await players.set("a", {"n": 0})

        def add_one(data: dict[str, Any] | None) -> dict[str, Any]:
            assert data is not None
            return {"n": data["n"] + 1}

        writers = [map.mutate("a", add_one) for map in (players, theirs) for _ in range(4)]
        await asyncio.gather(*writers)
        assert (await players["a"]).data == {"n": 8}
        assert (await players.mutate("a", lambda data: None)).data == {"n": 8}

        with pytest.raises(NotFound):
            await players.mutate("b", lambda data: None)
        calls: list[Any] = []

        def look(data: dict[str, Any] | None) -> dict[str, Any]:
            calls.append(data)
            return {}

        await players.mutate("b", look)
        await players.mutate("b", look)
        assert calls == [None, {}]  # no item is not an empty one

        async def nested(data: dict[str, Any] | None) -> dict[str, Any] | None:
            await players.mutate("a", add_one)
            return data

        with pytest.raises(UsageError):
            await players.mutate("a", nested)

    async def test_a_key_must_be_given(self, players: Map) -> None:
        await players.set("a", {})
        for key in (None, 1):
            with pytest.raises(InvalidRequest):
                await players.remove(key)  # type: ignore[arg-type]
        with pytest.raises(InvalidRequest):
            await players.set("", {})
        assert await players.get("a") is not None

    async def test_what_is_too_large_is_refused(self, players: Map) -> None:
        with pytest.raises(TooLarge):
            await players.set("a", {"x": "x" * 20_000})

    @pytest.mark.parametrize("key", ["a/b", "é ?#%", "\U0001f600", "a" * 320])
    async def test_any_key(self, players: Map, key: str) -> None:
        await players.set(key, {"n": 1})
        assert (await players[key]).data == {"n": 1}
        assert [found async for found, _ in players.items()] == [key]
        await players.remove(key)
        assert await players.get(key) is None


class TestBatches:
    async def test_all_or_nothing(self, players: Map, theirs: Map) -> None:
        others = EventReader(theirs)
        await players.set("b", {"n": 0})
        await others.next()
        async with players.batch() as batch:
            batch.add("a", {"n": 1}, ttl=60)
            batch.set("b", {"n": 2})
            batch.set("c", {"n": 3})
        assert len(batch.revisions) == 3 and batch.revisions == sorted(batch.revisions)
        heard = [await others.next() for _ in range(3)]
        assert [(each.name, each.key) for each in heard] == [
            ("item_added", "a"),
            ("item_updated", "b"),
            ("item_added", "c"),
        ]
        with pytest.raises(Conflict):
            async with players.batch() as batch:
                batch.set("d", {})
                batch.add("a", {})
        assert await players.get("d") is None
        with pytest.raises(ZeroDivisionError):
            async with players.batch() as batch:
                batch.remove("a")
                _ = 1 / 0
        assert await players.get("a") is not None

    async def test_it_may_set_the_expiry_of_the_map_which_others_learn(
        self, players: Map, theirs: Map
    ) -> None:
        events = EventReader(theirs)
        async with players.batch(collection_ttl=600) as batch:
            batch.set("a", {})
        await events.next()
        assert theirs.date_expires == players.date_expires is not None

    async def test_its_changes_are_local(self, players: Map) -> None:
        mine = EventReader(players)
        async with players.batch(collection_ttl=60) as batch:
            batch.set("a", {})
            batch.set("b", {})
        assert [(await mine.next()).is_local for _ in range(2)] == [True, True]


class TestPages:
    async def test_a_walk_shows_all_items_in_order(self, players: Map) -> None:
        keys = await fill(players, 230)
        assert [key async for key, _ in players.items()] == keys
        assert [key async for key, _ in players.items(order="desc", page_size=70)] == keys[::-1]
        assert [key async for key, _ in players.items("0200")] == keys[200:]
        assert [key async for key, _ in players.items(after="0200")] == keys[201:]
        assert [item.data async for _, item in players.items("0228")] == [
            {"key": "0228"},
            {"key": "0229"},
        ]

    async def test_pages_follow_each_other(self, players: Map) -> None:
        keys = await fill(players, 25)
        page = await players.page(page_size=10)
        sizes = [len(page.items)]
        while page.has_next_page:
            page = await page.next_page()
            sizes.append(len(page.items))
        assert sizes == [10, 10, 5] and page.items[-1].key == keys[-1]
        with pytest.raises(ValueError, match="last page"):
            await page.next_page()


class TestParts:
    async def test_only_the_events_of_a_part_come(
        self, client: Client, theirs: Map, players: Map
    ) -> None:
        await players.close()
        by_keys = await client.map(theirs.sid, keys=["a1", "b1"])
        by_prefix = await client.map(theirs.sid, prefix="a")
        keyed, prefixed = EventReader(by_keys), EventReader(by_prefix)
        for key in ("a1", "a2", "b1", "c1", "b2"):
            await theirs.set(key, {})
        last = await theirs.set("a3", {})
        assert [event.key for event in await prefixed.until(lambda event: event.key == "a3")] == [
            "a1",
            "a2",
            "a3",
        ]
        await theirs.remove_map()
        heard = await keyed.until(lambda event: event.name == "removed")
        assert [event.key for event in heard[:-1]] == ["a1", "b1"]
        assert last.key == "a3"
        with pytest.raises(InvalidRequest):
            await client.map(keys=["a"], prefix="b")
        with pytest.raises(InvalidRequest):
            await client.map(keys=[])

    async def test_pages_have_only_the_part(self, client: Client, players: Map) -> None:
        for key in ("a1", "a2", "b1", "c1"):
            await players.set(key, {})
        by_prefix = await client.map(players.sid, prefix="a")
        assert [key async for key, _ in by_prefix.items(page_size=1)] == ["a1", "a2"]
        assert [key async for key, _ in by_prefix.items(order="desc")] == ["a2", "a1"]
        by_keys = await client.map(players.sid, keys=["c1", "a1", "none"])
        assert [key async for key, _ in by_keys.items()] == ["a1", "c1"]

    async def test_parts_that_are_opened_at_once_all_get_their_events(
        self, client: Client, rival: Client
    ) -> None:
        name = unique()
        handles = await asyncio.gather(*(client.map(name, keys=[key]) for key in "abcdef"))
        recorders = [EventReader(each) for each in handles]
        theirs = await rival.map(name)
        for key in "fedcba":
            await theirs.set(key, {})
        assert [(await each.next()).key for each in recorders] == list("abcdef")


async def test_handles_share_one_subscription(server: RunningServer) -> None:
    """Several handles share one subscription; the last one unsubscribes."""
    async with connect(server.url, token=server.token()) as client:
        first = await client.map(unique())
        second = await client.map(first.sid)
        await first.close()
        events = second.events()
        await second.set("a", {})
        async with asyncio.timeout(WAIT):
            assert isinstance(await anext(events), ItemAdded)
