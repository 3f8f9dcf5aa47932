"""Items of replicas that come as deltas, and first pages that come with the reply to `open`."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from support.api import unique
from support.listening import EventReader
from support.metrics import scrape
from support.peer import Peer, PeerConnection, peer
from support.server import RunningServer
from support.socket import WAIT
from syncline import Client, Map, Opening, Replica, connect
from syncline_protocol.canonical import digest

SID = "MP" + "0a" * 16

DATE = "2026-01-31T00:00:00.000Z"

FILL = "x" * 1_000


def header(revision: int) -> dict[str, Any]:
    dates = {"date_created": DATE, "date_updated": DATE, "date_expires": None}
    named = {"sid": SID, "unique_name": None, "revision": str(revision)}
    return {**named, **dates, "created_by": "alice", "updated_by": "alice"}


def item(key: str, revision: int) -> dict[str, Any]:
    members = {k: v for k, v in header(revision).items() if k not in ("sid", "unique_name")}
    return {"key": key, "data": {"at": revision}, **members}


def delta(key: str, revision: int, base: int, **members: Any) -> dict[str, Any]:
    """A change as a delta; `members` in the place of its own."""
    body = {"kind": "updated", **item(key, revision), "previous_revision": str(base)}
    operations = [{"op": "replace", "path": "/at", "value": revision}]
    body["delta"] = {"operations": operations, "digest": digest(body.pop("data"))}
    return body | members


class Scene:
    """A client with an open map, and the scripted server that it is connected to."""

    def __init__(self, connection: PeerConnection) -> None:
        self.connection = connection
        self.requests: list[dict[str, Any]] = []

    async def reply(self, do: str, **ok: Any) -> dict[str, Any]:
        request = await self.connection.receive()
        assert request["do"] == do, request
        self.requests.append(request)
        await self.connection.ok(**ok)
        return request

    async def opened(self, client: Client, **options: Any) -> Map:
        """A map with the items a and b at the revisions 1 and 2, opened for a replica."""
        call: Opening[Map] = client.map("players", replica=True, **options)
        opening = asyncio.create_task(call)
        items = [item("a", 1), item("b", 2)]
        await self.reply("open", created=False, map=header(2), items=items, next=None)
        return await opening

    async def send(self, revision: int, *changes: dict[str, Any]) -> None:
        await self.connection.send(event="items", map=header(revision), changes=list(changes))

    async def resumes(self, since: int, *changes: dict[str, Any], to: int) -> dict[str, Any]:
        ok = {"created": False, "map": header(to), "changes": list(changes), "more_since": None}
        request = await self.reply("open", **ok)
        assert (request["map"], request["revision"]) == (SID, str(since))
        return request

    async def is_quiet(self, players: Map) -> None:
        """Check that the client has sent nothing else: its next request is this one."""
        reading = asyncio.create_task(players.get("a"))
        await self.reply("item", map=header(99), item=item("a", 1))
        await reading


def data(replica: Replica[Any, str]) -> dict[str, Any]:
    return {key: each.data["at"] for key, each in replica.items()}


class TestRequests:
    async def test_a_replica_of_one_page_needs_one(self) -> None:
        async with peer() as server, connect(server.url, token="t") as client:
            scene = Scene(await server.next())
            players = await scene.opened(client)
            replica = players.replica()
            assert replica.complete and data(replica) == {"a": 1, "b": 2}
            await replica.ready()
            await scene.is_quiet(players)
            [request, _] = scene.requests
            assert request["items"] == {"limit": 500} and request["deltas"] is True

    async def test_further_pages_follow_the_first(self) -> None:
        async with peer() as server, connect(server.url, token="t") as client:
            scene = Scene(await server.next())
            opening = asyncio.create_task(client.map("players", prefix="p", replica=True))
            first = [item("pa", 1), item("pb", 2)]
            request = await scene.reply("open", map=header(5), items=first, next="pb")
            assert request["prefix"] == "p"
            players = await opening
            replica = players.replica()
            assert not replica.complete and list(replica) == ["pa", "pb"]
            await scene.send(6, {"kind": "updated", **item("pa", 6)})
            request = await scene.reply("items", map=header(6), items=[item("pc", 5)], next=None)
            assert (request["after"], request["prefix"]) == ("pb", "p")
            await replica.ready()
            assert data(replica) == {"pa": 6, "pb": 2, "pc": 5}

    async def test_a_plain_handle_reads_no_items(self) -> None:
        async with peer() as server, connect(server.url, token="t") as client:
            scene = Scene(await server.next())
            opening = asyncio.create_task(client.map("players"))
            request = await scene.reply("open", created=False, map=header(2))
            assert request["items"] is False and "deltas" not in request
            await scene.is_quiet(await opening)

    async def test_a_replica_of_an_open_map_needs_one_more(self) -> None:
        async with peer() as server, connect(server.url, token="t") as client:
            scene = Scene(await server.next())
            opening = asyncio.create_task(client.map("players"))
            await scene.reply("open", created=False, map=header(2))
            players = await opening
            replica = players.replica()
            ok = {"map": header(3), "changes": [{"kind": "updated", **item("a", 3)}]}
            page: dict[str, Any] = {"items": [item("a", 3), item("b", 2)], "next": None}
            request = await scene.reply("open", **ok, more_since=None, **page)
            await replica.ready()
            assert (request["map"], request["revision"]) == (SID, "2")
            assert (request["items"], request["deltas"]) == ({"limit": 500}, True)
            assert data(replica) == {"a": 3, "b": 2}
            await scene.is_quiet(players)

    async def test_a_replica_of_a_smaller_part_asks_for_its_own_page(self) -> None:
        """The page in the reply to `open` would be one of the whole."""
        async with peer() as server, connect(server.url, token="t") as client:
            scene = Scene(await server.next())
            opening = asyncio.create_task(client.map("players"))
            await scene.reply("open", created=False, map=header(2))
            players = await opening
            replica = players.replica(prefix="a")
            request = await scene.reply("items", map=header(2), items=[item("a", 1)], next=None)
            await replica.ready()
            assert request["prefix"] == "a"
            await scene.is_quiet(players)

    async def test_without_deltas_none_are_asked_for(self) -> None:
        async with peer() as server, connect(server.url, token="t", deltas=False) as client:
            scene = Scene(await server.next())
            players = await scene.opened(client)
            await scene.is_quiet(players)
            assert "deltas" not in scene.requests[0]

    async def test_a_replica_that_nobody_takes_ends_with_its_handle(self) -> None:
        async with peer() as server, connect(server.url, token="t") as client:
            scene = Scene(await server.next())
            players = await scene.opened(client)
            closing = asyncio.create_task(players.close())
            await scene.reply("unsubscribe")
            await closing

    @pytest.mark.parametrize("transport", ["websocket", "rest"])
    async def test_a_real_server_has_it_on_both_transports(
        self, server: RunningServer, client: Client, transport: Any
    ) -> None:
        theirs = await client.map(unique())
        for start in range(0, 600, 100):
            async with theirs.batch() as batch:
                for n in range(start, start + 100):
                    batch.set(f"k{n:03}", {"n": n})
        options: dict[str, Any] = {"token": server.token(), "transport": transport}
        async with connect(server.url, **options) as other:
            few = await other.map(theirs.sid, prefix="k1", replica=True)
            replica = few.replica()
            # Nothing was awaited since `open`.
            assert replica.complete and list(replica) == [f"k{n}" for n in range(100, 200)]
            events = EventReader(replica)
            await theirs.set("k100", {"n": -1})
            assert (await events.next()).data == {"n": -1}
        async with connect(server.url, **options) as other:
            players = await other.map(theirs.sid, replica=True)
            replica = players.replica()
            assert not replica.complete and len(replica) == 500
            await replica.ready()
            assert len(replica) == 600


async def _scene(server: Peer, client: Client) -> tuple[Scene, Map, Replica[Any, str]]:
    scene = Scene(await server.next())
    players = await scene.opened(client)
    return scene, players, players.replica()


class TestDeltas:
    async def test_they_make_the_items_and_their_events(self) -> None:
        async with peer() as server, connect(server.url, token="t") as client:
            scene, players, replica = await _scene(server, client)
            events, own = EventReader(replica), EventReader(players)
            await scene.send(4, delta("a", 3, 1), delta("b", 4, 2))
            await scene.send(5, delta("a", 5, 3))
            seen = [await events.next() for _ in range(3)]
            assert [(each.key, each.data, each.previous.data) for each in seen] == [
                ("a", {"at": 3}, {"at": 1}),
                ("b", {"at": 4}, {"at": 2}),
                ("a", {"at": 5}, {"at": 3}),
            ]
            assert [(await own.next()).data for _ in range(3)] == [each.data for each in seen]
            assert data(replica) == {"a": 5, "b": 4}
            await scene.is_quiet(players)

    @pytest.mark.parametrize(
        "change",
        [
            delta("a", 4, 1, delta={"operations": [], "digest": digest({"at": 4})}),
            delta("a", 4, 1, delta={"operations": [{"op": "remove", "path": "/no"}], "digest": ""}),
            delta("a", 4, 1, delta="nonsense"),
            delta("a", 4, 3),
            delta("c", 4, 3),
        ],
        ids=["another outcome", "no such member", "nonsense", "another base", "no such item"],
    )
    async def test_what_cannot_be_made_is_resumed_and_nothing_wrong_is_shown(
        self, change: dict[str, Any]
    ) -> None:
        async with peer() as server, connect(server.url, token="t") as client:
            scene, players, replica = await _scene(server, client)
            events = EventReader(replica)
            await scene.send(4, change)
            whole = {"kind": "updated", **item(change["key"], 6)}
            request = await scene.resumes(2, whole, to=6)
            assert request["deltas"] is True and request["items"] is False
            event = await events.next()
            assert (event.key, event.data) == (change["key"], {"at": 6})
            # Deltas go on from there.
            await scene.send(7, delta(change["key"], 7, 6))
            assert (await events.next()).data == {"at": 7}
            await scene.is_quiet(players)

    @pytest.mark.parametrize("is_before", [True, False], ids=["before", "after"])
    async def test_what_cannot_be_made_around_the_reply_is_resumed_too(
        self, is_before: bool
    ) -> None:
        async with peer() as server, connect(server.url, token="t", backoff_initial=0.01) as client:
            scene, players, replica = await _scene(server, client)
            for revision in range(10, 50, 10):
                since = revision - 9 if revision > 10 else 2
                await scene.send(revision, delta("a", revision, 9))
                # It comes while the request is under way, or right after the reply.
                other = delta("b", revision + 1, 9)
                assert (await scene.connection.receive())["revision"] == str(since)
                a = {"kind": "updated", **item("a", revision)}
                ok = {"map": header(revision), "changes": [a], "more_since": None}
                if is_before:
                    await scene.send(revision + 1, other)
                await scene.connection.ok(**ok)
                if not is_before:
                    await scene.send(revision + 1, other)
                b = {"kind": "updated", **item("b", revision + 1)}
                if is_before:
                    await scene.resumes(since, a, b, to=revision + 1)
                else:
                    await scene.resumes(revision, b, to=revision + 1)
                await scene.is_quiet(players)
                assert data(replica) == {"a": revision, "b": revision + 1}
            assert replica.repairs == 8

    async def test_they_wait_for_own_writes_as_other_events_do(self) -> None:
        """After a break an event may come before the reply to an own write."""
        async with peer() as server:
            async with connect(server.url, token="t", backoff_initial=0.01) as client:
                scene, players, replica = await _scene(server, client)
                events = EventReader(replica)
                writing = asyncio.create_task(players.set("c", {"at": 5}))
                assert (await scene.connection.receive())["do"] == "set"
                await scene.connection.socket.close(4000)
                scene = Scene(await server.next())
                requests = {}
                for _ in range(2):
                    request = await scene.connection.receive()
                    requests[request["do"]] = scene.connection._last["id"]
                ok = {"map": header(3), "changes": [{"kind": "updated", **item("a", 3)}]}
                await scene.connection.send(id=requests["open"], ok={**ok, "more_since": None})
                # The item at 3 waits, and so the replica has it at 1 when these come.
                await scene.send(4, delta("a", 4, 3))
                written = {k: v for k, v in item("c", 5).items() if k != "data"}
                reply = {"map": header(5), "kind": "added", "item": written}
                await scene.connection.send(id=requests["set"], ok=reply)
                assert (await writing).revision == "5"
                assert [(await events.next()).data["at"] for _ in range(2)] == [3, 4]
                await scene.is_quiet(players)

    async def test_when_no_replica_has_the_items_the_client_goes_without(self) -> None:
        async with peer() as server, connect(server.url, token="t") as client:
            scene, players, replica = await _scene(server, client)
            events = EventReader(players)
            await replica.close()
            await scene.send(3, delta("a", 3, 1))
            request = await scene.resumes(2, {"kind": "updated", **item("a", 3)}, to=3)
            assert "deltas" not in request
            assert (await events.next()).data == {"at": 3}

    async def test_a_reset_in_the_reply_that_a_replica_waits_for(self) -> None:
        """It ends the walk that waits for that reply, and breaks nothing."""
        async with peer() as server, connect(server.url, token="t") as client:
            scene = Scene(await server.next())
            opening = asyncio.create_task(client.map("players"))
            await scene.reply("open", created=False, map=header(2))
            players = await opening
            replica = players.replica()
            events = EventReader(replica)
            page: dict[str, Any] = {"items": [item("a", 1)], "next": None}
            await scene.reply("open", map=header(9), reset=True, **page)
            assert (await events.next()).name == "reset" and not replica.complete
            await scene.reply("items", map=header(9), items=[item("a", 8)], next=None)
            assert (await events.next()).data == {"at": 8}
            await replica.ready()
            await scene.is_quiet(players)


async def test_items_that_change_during_the_first_walk(server: RunningServer) -> None:
    """The server sends deltas of items that the client has not read yet."""
    count, changes = 1_500, 150
    before = scrape(server).value("syncline_delta_events_total", wire="native")
    async with (
        connect(server.url, token=server.token("alice")) as alice,
        connect(server.url, token=server.token("bob")) as bob,
    ):
        theirs = await bob.map(unique(), replica=True)
        keys = [f"k{n:04}" for n in range(count)]
        for start in range(0, count, 100):
            async with theirs.batch() as batch:
                for key in keys[start : start + 100]:
                    batch.set(key, {"fill": FILL, "n": 0})

        async def write() -> None:
            for n in range(changes):
                await theirs.increment(keys[n * 10 % count], "/n")
                await theirs.increment(keys[-1], "/n")

        writing = asyncio.create_task(write())
        mine = await alice.map(theirs.sid, replica=True)
        replica = mine.replica()
        await replica.ready()
        await writing
        expected = {key: each.data async for key, each in theirs.items(page_size=500)}
        for each in (replica, theirs.replica()):
            async with asyncio.timeout(WAIT):
                while {key: item.data for key, item in each.items()} != expected:
                    await asyncio.sleep(0.01)
    assert scrape(server).value("syncline_delta_events_total", wire="native") > before
