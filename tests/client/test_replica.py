"""Live replicas, on a real server and over both transports."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable
from contextlib import suppress
from typing import Any

import pytest

from support.api import unique
from support.listening import EventReader
from support.metrics import scrape
from support.peer import PeerConnection, peer
from support.proxy import Proxy
from support.server import RunningServer
from support.socket import WAIT
from syncline import (
    Client,
    ConnectionLost,
    HandleClosed,
    Map,
    NotFound,
    Replica,
    RequestTimeout,
    SynclineError,
    connect,
)

SID = "MP" + "0a" * 16

DATE = "2026-01-31T00:00:00.000Z"

FILL = "x" * 600
"""In data that is large enough for deltas."""


async def fill(map: Map, keys: list[str], size: int = 0) -> None:
    for start in range(0, len(keys), 100):
        async with map.batch() as batch:
            for key in keys[start : start + 100]:
                batch.set(key, {"key": key, **({"fill": "x" * size} if size else {})})


async def stored(map: Map) -> dict[str, tuple[str, Any]]:
    """Revisions and data by key, as the server has them."""
    return {key: (item.revision, item.data) async for key, item in map.items()}


def contents(replica: Replica[str]) -> dict[str, tuple[str, Any]]:
    """As `stored`."""
    return {key: (item.revision, item.data) for key, item in replica.items()}


async def equal(replica: Replica[Any, str], map: Map) -> None:
    """Return when a replica is what the server has, with no writer left."""
    expected = await stored(map)
    with suppress(TimeoutError):
        async with asyncio.timeout(WAIT):
            while contents(replica) != expected:
                await asyncio.sleep(0.01)
    assert contents(replica) == expected
    assert list(replica) == sorted(expected)


async def test_it_has_all_items_and_follows_every_change(client: Client, rival: Client) -> None:
    theirs = await rival.map(unique())
    keys = [f"{n:03}" for n in range(620)]
    await fill(theirs, keys)
    players = await client.map(theirs.sid)
    async with players.replica() as replica:
        assert replica.complete and len(replica) == 620
        assert list(replica) == keys and replica["007"].data == {"key": "007"}
        assert replica.get("none") is None and "none" not in replica
        events = EventReader(replica)
        await theirs.set("007", {"n": 1})
        await players.remove("008")
        await theirs.set("new", {"n": 2})
        updated, removed, added = [await events.next() for _ in range(3)]
        assert (updated.name, updated.previous.data) == ("item_updated", {"key": "007"})
        assert (removed.name, removed.is_local, removed.data) == (
            "item_removed",
            True,
            {"key": "008"},
        )
        assert (added.name, added.is_local) == ("item_added", False)
        assert replica["new"].data == {"n": 2} and "008" not in replica
        await theirs.remove_map()
        assert (await events.next()).name == "removed"
    with pytest.raises(NotFound):
        await client.map(theirs.sid)


async def test_a_part_of_a_map(client: Client, rival: Client) -> None:
    theirs = await rival.map(unique())
    await fill(theirs, ["a1", "a2", "b1", "c1"])
    # The handle itself has another part: the client opens one that contains both.
    players = await client.map(theirs.sid, keys=["c1"])
    async with players.replica(prefix="a") as replica, players.replica() as other:
        assert list(replica) == ["a1", "a2"] and list(other) == ["c1"]
        events = EventReader(replica)
        await fill(theirs, ["b1", "c1", "a3"])
        assert (await events.next()).key == "a3"
        assert list(replica) == ["a1", "a2", "a3"]


async def test_waiting_ends_with_the_replica(client: Client) -> None:
    players = await client.map()
    replica = players.replica()
    await replica.close()
    with pytest.raises(HandleClosed):
        await replica.ready()
    assert [event async for event in replica.events()] == []
    gone = players.replica()
    await players.remove_map()
    async with asyncio.timeout(WAIT):
        async for _ in gone.events():
            pass
        assert players.removed


async def test_it_shows_own_writes_at_once(client: Client) -> None:
    players = await client.map()
    tasks = await client.list()
    async with players.replica() as replica, tasks.replica() as of_tasks:

        async def shows(key: str, data: Any, write: Awaitable[Any]) -> None:
            await write
            item = replica.get(key)
            assert (None if item is None else item.data) == data

        await shows("a", {"n": 0}, players.set("a", {"n": 0}))
        await shows("b", {"n": 1}, players.add("b", {"n": 1}))
        await shows("a", {"n": 1}, players.mutate("a", add_one))
        await shows("a", {"n": 1, "m": 1}, players.update("a", {"m": 1}))
        await shows("a", {"n": 1}, players.patch("a", merge={"m": None}))
        await shows("a", {"n": 3}, players.increment("a", "/n", 2))
        await players.set_item_ttl("a", 600)
        assert replica["a"].date_expires is not None
        await shows("a", None, players.remove("a"))
        async with players.batch() as batch:
            batch.set("a", {"n": 9})
            batch.set("c", {"n": 8})
            batch.remove("b")
        assert {key: item.data for key, item in replica.items()} == {"a": {"n": 9}, "c": {"n": 8}}
        first = await tasks.append({"n": 1})
        assert of_tasks[first.key].data == {"n": 1}
        await tasks.set(first.key, {"n": 2})
        assert of_tasks[first.key].data == {"n": 2}
        await tasks.remove(first.key)
        assert len(of_tasks) == 0


async def test_its_own_writes_are_announced_once_and_in_order(client: Client) -> None:
    players = await client.map()
    async with players.replica() as replica:
        events = EventReader(replica)
        for n in range(10):
            await players.set("a", {"n": n})
        await players.remove("a")
        seen = [await events.next() for _ in range(11)]
        assert [event.name for event in seen[:2]] == ["item_added", "item_updated"]
        assert [event.data["n"] for event in seen] == [*range(10), 9]
        assert all(event.is_local for event in seen)


async def test_an_item_sets_the_expiry_of_the_whole(client: Client, rival: Client) -> None:
    players = await client.map()
    theirs = await rival.map(players.sid)
    mine, others = EventReader(players), EventReader(theirs)
    await players.set("a", {}, collection_ttl=600)
    for events, map in ((mine, players), (others, theirs)):
        assert (await events.next()).name == "item_added"
        expiry = await events.next()
        assert (expiry.name, expiry.date_expires) == ("expiry", map.date_expires)
        assert map.date_expires is not None
    await players.set("a", {}, collection_ttl=0)
    for events, map in ((mine, players), (others, theirs)):
        assert (await events.next()).name == "item_updated"
        expiry = await events.next()
        assert (expiry.name, expiry.date_expires, map.date_expires) == ("expiry", None, None)
    await players.set("a", {})
    await players.set_ttl(600)
    assert [(await mine.next()).name for _ in range(2)] == ["item_updated", "expiry"]


async def test_it_follows_a_list(client: Client, rival: Client) -> None:
    tasks = await client.list()
    async with tasks.replica() as replica:
        events = EventReader(replica)
        for n in range(11):
            await tasks.append({"n": n})
        for _ in range(11):
            await events.next()
        assert list(replica) == list(range(11)) and replica[10].data == {"n": 10}


@pytest.fixture
async def proxy(server: RunningServer) -> AsyncIterator[Proxy]:
    async with Proxy(server) as proxy:
        yield proxy


def add_one(data: dict[str, Any] | None) -> dict[str, Any]:
    return {**(data or {}), "n": (data or {}).get("n", 0) + 1}


class Writer:
    """Writes at random; an outcome that is not known is no error.

    Attributes:
        written: revisions that it wrote, and whose data the client knows in any case.
    """

    def __init__(self, map: Map, seed: int) -> None:
        self.written: list[str] = []
        self._map = map
        self._random = random.Random(seed)

    async def run(self, steps: int) -> None:
        for step in range(steps):
            key = f"k{self._random.randrange(12)}"
            try:
                await self._write(key, step)
            except (NotFound, RequestTimeout, ConnectionLost):
                pass

    async def _write(self, key: str, step: int) -> None:
        match self._random.randrange(6):
            case 0 | 1:
                item = await self._map.set(key, {"step": step, "fill": FILL})
            case 2:
                return await self._map.remove(key)
            case 3:
                # The reply to a repeated patch may lack the data.
                await self._map.patch(key, merge={"at": step})
                return
            case 4:
                item = await self._map.mutate(key, add_one)
            case _:
                async with self._map.batch() as batch:
                    batch.set(key, {"batch": step, "fill": FILL})
                    batch.set(f"{key}/b", {"batch": step, "fill": FILL})
                return
        self.written.append(item.revision)


@pytest.mark.parametrize("transport", ["websocket", "rest"])
@pytest.mark.parametrize("seed", [1, 2])
async def test_replicas_of_two_clients_end_with_the_servers_state(
    server: RunningServer, proxy: Proxy, transport: Any, seed: int
) -> None:
    """Both write at random, while the connections of one break again and again."""
    options: dict[str, Any] = {"backoff_initial": 0.01, "backoff_limit": 0.1}
    shaken = connect(proxy.url, token=server.token("alice"), transport=transport, **options)
    calm = connect(server.url, token=server.token("bob"))
    deltas = scrape(server).value("syncline_delta_events_total", wire="native")
    async with shaken as alice, calm as bob:
        # One client has its first page by `open`, the other by a request of its own.
        mine = await alice.map(unique(), replica=True)
        theirs = await bob.map(mine.sid)
        heard: dict[str, list[Any]] = {}

        async def listen(replica: Replica[Any, str]) -> None:
            async for event in replica.events():
                heard.setdefault(event.key, []).append(event)  # type: ignore[union-attr]

        async with mine.replica() as first, theirs.replica() as second:
            listening = asyncio.create_task(listen(first))
            own = mine.events()
            both = [Writer(each, seed + n) for n, each in enumerate((mine, theirs))]
            writers = [asyncio.create_task(each.run(60)) for each in both]
            while not all(each.done() for each in writers):
                await asyncio.wait(writers, timeout=0.15)
                proxy.cut()
            await asyncio.gather(*writers)
            await equal(first, theirs)
            await equal(second, theirs)
            listening.cancel()
            for key, events in heard.items():
                orders = [event.order for event in events]
                assert orders == sorted(set(orders)), key
            assert scrape(server).value("syncline_delta_events_total", wire="native") > deltas
            await mine.remove_map()
            local = [
                (each.key, each.revision)  # type: ignore[union-attr]
                async for each in own
                if each.name.startswith("item_") and each.is_local  # type: ignore[union-attr]
            ]
            assert set(both[0].written) <= {revision for _, revision in local}
            assert len(local) == len(set(local))


async def test_a_client_that_did_not_read_catches_up(server: RunningServer, proxy: Proxy) -> None:
    """The server cannot send while another client makes thousands of changes."""
    options: dict[str, Any] = {"probe_after": 600, "request_timeout": 600}
    async with (
        connect(proxy.url, token=server.token("alice"), transport="websocket", **options) as alice,
        connect(server.url, token=server.token("bob")) as bob,
    ):
        theirs = await bob.map(unique())
        await fill(theirs, ["kept", "removed"])
        mine = await alice.map(theirs.sid)
        async with mine.replica() as replica:
            proxy.stall()
            await theirs.remove("removed")
            for version in range(30):
                keys = [f"{n:04}/{version if n < 50 else 0}" for n in range(100)]
                await fill(theirs, keys, 2_000)
            proxy.release()
            await equal(replica, theirs)
            assert "removed" not in replica and "kept" in replica


async def test_a_slow_listener_learns_that_items_changed(server: RunningServer) -> None:
    async with connect(server.url, token=server.token(), event_queue=4) as client:
        players = await client.map()
        slow = players.events()
        async with players.replica() as replica:
            for n in range(10):
                await players.set(f"{n}", {})
            await equal(replica, players)
        names = [(await anext(slow)).name for _ in range(2)]
        assert names[0] == "reset" and set(names) <= {"reset", "item_added"}


def header(revision: int) -> dict[str, Any]:
    named = {"sid": SID, "unique_name": None, "revision": str(revision), "date_created": DATE}
    dates = {"date_updated": DATE, "date_expires": None}
    return {**named, **dates, "created_by": "alice", "updated_by": "alice"}


def item(key: str, revision: int) -> dict[str, Any]:
    return {
        "key": key,
        "data": {"at": revision},
        **{k: v for k, v in header(revision).items() if k not in ("sid", "unique_name")},
    }


class TestReset:
    async def reply(self, connection: PeerConnection, do: str, **ok: Any) -> dict[str, Any]:
        request = await connection.receive()
        assert request["do"] == do, request
        await connection.ok(**ok)
        return request

    async def test_pages_decide_after_a_break(self) -> None:
        options: dict[str, Any] = {"backoff_initial": 0.01, "deltas": False}
        async with peer() as server, connect(server.url, token="t", **options) as client:
            connection = await server.next()
            opening = asyncio.create_task(client.map("players"))
            request = await self.reply(connection, "open", created=False, map=header(9))
            assert request["items"] is False
            players = await opening
            replica = players.replica()
            items = [item("a", 1), item("b", 2), item("c", 9)]
            await self.reply(connection, "items", map=header(9), items=items, next=None)
            await replica.ready()
            events = EventReader(replica)
            await connection.socket.close(4000)
            connection = await server.next()
            later = {**header(20), "date_expires": "2099-01-31T00:00:00.000Z"}
            request = await self.reply(connection, "open", map=later, reset=True)
            assert (request["map"], request["revision"]) == (SID, "9")
            assert (await events.next()).name == "reset" and not replica.complete
            assert (await events.next()).date_expires.year == 2099
            items = [item("a", 1), item("c", 15), item("d", 16)]
            await self.reply(connection, "items", map=header(20), items=items, next=None)
            await replica.ready()
            heard = [await events.next() for _ in range(3)]
            assert [(event.name, event.key) for event in heard] == [
                ("item_updated", "c"),
                ("item_added", "d"),
                ("item_removed", "b"),
            ]

    async def test_items_that_should_have_changed_by_now_are_asked_for(self) -> None:
        """A slow client does not receive the removal of an item that only a page has brought."""
        async with peer() as server, connect(server.url, token="t", deltas=False) as client:
            connection = await server.next()
            opening = asyncio.create_task(client.map("players"))
            await self.reply(connection, "open", created=False, map=header(1))
            replica = (await opening).replica()
            items = [item("a", 1), item("b", 3), item("c", 4), item("d", 5)]
            await self.reply(connection, "items", map=header(5), items=items, next=None)
            await replica.ready()
            events = EventReader(replica)
            changes = [{"kind": "updated", **item("a", 9)}, {"kind": "updated", **item("c", 10)}]
            await connection.send(event="items", map=header(10), changes=changes)
            request = await self.reply(
                connection, "items", map=header(10), items=[item("d", 5)], next=None
            )
            assert request["keys"] == ["b", "d"]
            heard = [await events.next() for _ in range(3)]
            assert [(event.name, event.key) for event in heard] == [
                ("item_updated", "a"),
                ("item_updated", "c"),
                ("item_removed", "b"),
            ]
            assert list(replica) == ["a", "c", "d"]

    async def test_the_bare_event_of_an_own_write_has_the_data_of_its_request(self) -> None:
        async with peer() as server, connect(server.url, token="t", deltas=False) as client:
            connection = await server.next()
            opening = asyncio.create_task(client.map("players"))
            await self.reply(connection, "open", created=True, map=header(1))
            players = await opening
            events = EventReader(players)
            writing = asyncio.create_task(players.set("a", {"at": 2}))
            written = item("a", 2)
            del written["data"]
            await self.reply(connection, "set", map=header(2), kind="added", item=written)
            await connection.send(
                event="items", map=header(2), changes=[{"kind": "added", **written}]
            )
            assert (await writing).data == {"at": 2}
            event = await events.next()
            assert (event.data, event.is_local) == ({"at": 2}, True)
            # One whose data the client does not know is asked for again.
            unknown = item("b", 3)
            del unknown["data"]
            await connection.send(
                event="items", map=header(3), changes=[{"kind": "added", **unknown}]
            )
            request = await connection.receive()
            assert (request["do"], request["revision"]) == ("open", "2")
            changes = [{"kind": "added", **item("b", 3)}]
            await connection.ok(map=header(3), changes=changes, more_since=None)
            assert (await events.next()).data == {"at": 3}


def test_errors_are_those_of_the_package() -> None:
    assert issubclass(HandleClosed, SynclineError)
