"""Changes of items that carry only what has changed (docs/protocol.md, section 5)."""

from __future__ import annotations

import asyncio
import random
import socket as sockets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from support.deltas import ItemsMirror
from support.metrics import hits, scrape
from support.server import RunningServer, StartServer
from support.socket import NativeSocket, native_socket
from support.store import WAIT_LIMIT
from syncline_server.storage.redis.address import Address
from syncline_server.storage.redis.connection import connect

DATA = {"text": "." * 1_000, "n": 0}

HALF = 60_000
WRITES = 160
"""So many writes of a half each fit in no buffer of the kernel."""


@pytest.fixture
async def writer(server: RunningServer) -> AsyncIterator[NativeSocket]:
    """One that asks for no deltas."""
    async with native_socket(server) as socket:
        yield socket


@pytest.fixture
async def reader(server: RunningServer) -> AsyncIterator[NativeSocket]:
    async with native_socket(server, auth=False) as socket:
        await authenticate(socket, server)
        yield socket


async def authenticate(socket: NativeSocket, server: RunningServer) -> None:
    await socket.ok("auth", token=server.token(), deltas=True)


async def opened(socket: NativeSocket, sid: str, **members: Any) -> ItemsMirror:
    """A map with deltas."""
    return ItemsMirror(await socket.ok("open", map=sid, **{"deltas": True, **members}))


async def put(socket: NativeSocket, sid: str, key: str, n: int) -> str:
    """Write one field of an item; return the revision."""
    reply = await socket.ok("set", map=sid, key=key, data=DATA | {"n": n})
    revision: str = reply["item"]["revision"]
    return revision


async def batch(socket: NativeSocket, sid: str, n: int, *keys: str) -> str:
    operations = [{"op": "put", "key": key, "data": DATA | {"n": n}} for key in keys]
    revision: str = (await socket.ok("batch", map=sid, operations=operations))["map"]["revision"]
    return revision


async def follow(mirror: ItemsMirror, socket: NativeSocket, revision: str) -> None:
    """Apply events up to a revision."""
    while int(mirror.revision) < int(revision):
        mirror.take(await socket.event())


async def stored(socket: NativeSocket, sid: str) -> dict[str, Any]:
    page = await socket.ok("items", map=sid, limit=500)
    assert page["next"] is None
    return {item["key"]: (item["revision"], item["data"]) for item in page["items"]}


class TestForm:
    async def test_who_asked_receives_deltas_and_others_receive_all(
        self, server: RunningServer, writer: NativeSocket, reader: NativeSocket
    ) -> None:
        sid = await writer.created("map")
        revisions = [await put(writer, sid, "a", 0)]
        mirror = await opened(reader, sid)
        # On a connection that has deltas too, but did not ask for those of this map.
        async with native_socket(server, auth=False) as other:
            await authenticate(other, server)
            await other.ok("open", map=sid)
            for n in range(1, 5):
                revisions.append(await put(writer, sid, "a", n))
                event, whole = await reader.event(), await other.event()
                change, all_ = dict(event["changes"][0]), dict(whole["changes"][0])
                assert all_.pop("data") == DATA | {"n": n}
                mirror.take(event)
                if n == 1:
                    assert "data" in change  # the server had no item to begin from
                    continue
                assert change.pop("previous_revision") == revisions[-2]
                assert change.pop("delta")["operations"] == [
                    {"op": "replace", "path": "/n", "value": n}
                ]
                assert change == all_ and event["map"] == whole["map"]

        assert mirror.forms == {"whole": 1, "delta": 3}
        assert mirror.items == await stored(writer, sid)

    async def test_data_that_is_small_or_all_new_comes_whole(
        self, writer: NativeSocket, reader: NativeSocket
    ) -> None:
        sid = await writer.created("map")
        mirror = await opened(reader, sid)
        for data in ({"n": 1}, {"n": 2}, {"text": "-" * 1_000}, {"text": "+" * 1_000}):
            reply = await writer.ok("set", map=sid, key="a", data=data)
            await follow(mirror, reader, reply["map"]["revision"])

        assert mirror.forms == {"whole": 4}

    async def test_a_list_has_them_too(self, writer: NativeSocket, reader: NativeSocket) -> None:
        sid = await writer.created("list")
        await writer.ok("add", list=sid, data=DATA)
        await reader.ok("open", list=sid, deltas=True)
        for n in range(1, 3):
            await writer.ok("patch", list=sid, index=0, merge={"n": n})
        first, second = await reader.event(), await reader.event()

        assert "data" in first["changes"][0]
        assert second["changes"][0]["index"] == 0
        assert second["changes"][0]["delta"]["operations"] == [
            {"op": "replace", "path": "/n", "value": 2}
        ]

    async def test_of_a_batch_each_change_has_its_own_form(
        self, writer: NativeSocket, reader: NativeSocket
    ) -> None:
        sid = await writer.created("map")
        await batch(writer, sid, 0, "a", "b")
        mirror = await opened(reader, sid)
        for n in range(1, 4):
            await follow(mirror, reader, await batch(writer, sid, n, "a", "b", f"new{n}"))

        assert mirror.forms == {"whole": 2 + 3, "delta": 4}
        assert mirror.items == await stored(writer, sid)

    async def test_an_item_that_was_removed_and_added_again_comes_whole(
        self, writer: NativeSocket, reader: NativeSocket
    ) -> None:
        sid = await writer.created("map")
        mirror = await opened(reader, sid)
        for n in range(1, 3):
            await put(writer, sid, "a", n)
        await writer.ok("remove", map=sid, key="a")
        for n in range(3, 5):
            last = await put(writer, sid, "a", n)
        await follow(mirror, reader, last)

        assert mirror.forms == {"whole": 2, "delta": 2, "removed": 1}
        assert mirror.items == await stored(writer, sid)

    async def test_an_item_that_expired_is_no_base(
        self, writer: NativeSocket, reader: NativeSocket
    ) -> None:
        sid = await writer.created("map")
        mirror = await opened(reader, sid)
        await put(writer, sid, "a", 1)
        await writer.ok("ttl", map=sid, key="a", ttl=1)
        while mirror.forms["removed"] == 0:
            mirror.take(await reader.event())
        # The change of the expiry alone has no operations.
        assert mirror.forms == {"whole": 1, "delta": 1, "removed": 1}
        await put(writer, sid, "a", 1)
        await follow(mirror, reader, await put(writer, sid, "a", 2))

        assert mirror.forms == {"whole": 2, "delta": 2, "removed": 1}

    async def test_a_part_has_deltas_of_its_items_alone(
        self, server: RunningServer, writer: NativeSocket, reader: NativeSocket
    ) -> None:
        sid = await writer.created("map")
        await batch(writer, sid, 0, "a1", "a2", "b1")
        mirror = await opened(reader, sid, prefix="a")
        async with native_socket(server, auth=False) as second:
            await authenticate(second, server)
            keys = await opened(second, sid, keys=["a1"])
            for n in range(1, 4):
                await batch(writer, sid, n, "a1", "a2", "b1")
                last = await put(writer, sid, "a1", -n)
                await follow(mirror, reader, last)
                await follow(keys, second, last)
        expected = await stored(writer, sid)
        del expected["b1"]
        assert mirror.items == expected
        assert keys.items == {"a1": expected["a1"]}
        assert mirror.forms == {"whole": 2, "delta": 7}
        assert keys.forms == {"whole": 1, "delta": 5}


class TestAsking:
    async def test_a_later_open_decides_again(
        self, writer: NativeSocket, reader: NativeSocket
    ) -> None:
        sid = await writer.created("map")
        await put(writer, sid, "a", 0)
        mirror = await opened(reader, sid)
        for wanted, forms in (
            (True, {"whole": 1, "delta": 1}),
            (False, {"whole": 3, "delta": 1}),
            (True, {"whole": 4, "delta": 2}),
        ):
            await reader.ok("open", map=sid, deltas=wanted, items=False)
            for n in range(2):
                last = await put(writer, sid, "a", n)
            await follow(mirror, reader, last)
            assert mirror.forms == forms
        assert mirror.items == await stored(writer, sid)

    async def test_a_connection_without_deltas_has_none(self, writer: NativeSocket) -> None:
        sid = await writer.created("map")
        mirror = await opened(writer, sid)
        for n in range(3):
            last = await put(writer, sid, "a", n)
        await follow(mirror, writer, last)

        assert mirror.forms == {"whole": 3}

    async def test_a_bad_wish_is_refused(self, writer: NativeSocket) -> None:
        sid = await writer.created("map")
        error = await writer.error("open", map=sid, deltas=1)

        assert (error["code"], error["status"]) == (20422, 400)

    async def test_the_reply_to_a_resume_has_all_data_and_deltas_go_on_from_it(
        self, server: RunningServer, writer: NativeSocket, reader: NativeSocket
    ) -> None:
        sid = await writer.created("map")
        await put(writer, sid, "a", 0)
        mirror = await opened(reader, sid)
        for n in range(1, 3):
            last = await put(writer, sid, "a", n)
        await follow(mirror, reader, last)
        await reader.ok("unsubscribe", map=sid)
        async with native_socket(server, auth=False) as keeps_the_base:
            await authenticate(keeps_the_base, server)
            await opened(keeps_the_base, sid)
            for n in range(3, 5):
                await put(writer, sid, "a", n)
            ok = await reader.ok("open", map=sid, deltas=True, revision=mirror.revision)
            assert [change["data"]["n"] for change in ok["changes"]] == [4]
            mirror.take({"event": "items", **ok})
            await follow(mirror, reader, await put(writer, sid, "a", 5))

        assert mirror.forms == {"whole": 2, "delta": 2}
        assert mirror.items == await stored(writer, sid)


class TestMany:
    async def test_own_writes_repeat_nothing_and_are_a_base_for_the_next(
        self, writer: NativeSocket, reader: NativeSocket
    ) -> None:
        sid = await writer.created("map")
        mirror = await opened(reader, sid)
        for n in range(3):
            own = await put(reader, sid, "a", n)
            mirror.written[own] = DATA | {"n": n}
            last = await put(writer, sid, "a", -n)
        await follow(mirror, reader, last)

        assert mirror.forms == {"bare": 3, "delta": 3}
        assert mirror.items == await stored(writer, sid)

    async def test_several_writes_in_one_turn(
        self, server: RunningServer, writer: NativeSocket, reader: NativeSocket
    ) -> None:
        """Of one item and of others, by several clients, without a wait for replies."""
        sid = await writer.created("map")
        mirror = await opened(reader, sid)
        async with native_socket(server) as rival:
            for round_ in range(20):
                sent = []
                for n in range(8):
                    socket = (writer, rival)[n % 2]
                    data = DATA | {"n": round_ * 8 + n}
                    members: dict[str, Any] = {"map": sid, "key": "ab"[n // 4], "data": data}
                    sent.append((socket, await socket.send("set", **members)))
                for socket, request in sent:
                    last = (await socket.reply(request))["ok"]["map"]["revision"]
            last = (await writer.ok("get", map=sid))["map"]["revision"]
        await follow(mirror, reader, last)

        assert mirror.items == await stored(writer, sid)
        assert mirror.forms == {"whole": 2, "delta": 158}

    async def test_with_two_workers_each_makes_its_own(self, fresh_server: StartServer) -> None:
        server = fresh_server("--workers=2")
        async with AsyncExitStack() as stack:
            sockets = [
                await stack.enter_async_context(native_socket(server, auth=False)) for _ in range(6)
            ]
            for socket in sockets:
                await authenticate(socket, server)
            sid = await sockets[0].created("map")
            mirrors = [await opened(socket, sid) for socket in sockets]
            for n in range(12):
                # By a connection of one worker and then of another; its own event is bare.
                last = await put(sockets[n % 6], sid, "a", n)
                mirrors[n % 6].written[last] = DATA | {"n": n}
            for mirror, socket in zip(mirrors, sockets, strict=True):
                await follow(mirror, socket, last)
                assert mirror.items == {"a": (last, DATA | {"n": 11})}
                assert mirror.forms["bare"] == 2 and mirror.forms["delta"] >= 9

    async def test_random_edits_leave_every_mirror_alike(
        self, server: RunningServer, writer: NativeSocket, reader: NativeSocket
    ) -> None:
        numbers = random.Random(7)
        sid = await writer.created("map")
        mirror = await opened(reader, sid)
        keys = [f"k{n}" for n in range(6)]
        for step in range(300):
            key = numbers.choice(keys)
            match numbers.randrange(8):
                case 0:
                    await writer.ask("remove", map=sid, key=key)
                case 1:
                    await batch(writer, sid, step, *numbers.sample(keys, 3))
                case 2:
                    await writer.ask("ttl", map=sid, key=key, ttl=1_000 + step)
                case 3:
                    value: Any = numbers.choice([1, True, 2.5, None, {}])
                    merge = {numbers.choice("xyz~/é"): value}
                    await writer.ask("patch", map=sid, key=key, merge=merge)
                case 4:
                    await writer.ask("patch", map=sid, key=key, increment={"/n": 0.5})
                case _:
                    await put(writer, sid, key, step)
        last = (await writer.ok("get", map=sid))["map"]["revision"]
        await follow(mirror, reader, last)

        assert mirror.items == await stored(writer, sid)
        assert mirror.forms["delta"] > 200


class TestBase:
    async def test_what_was_forgotten_comes_whole_once(self, fresh_server: StartServer) -> None:
        server = fresh_server("--delta-memory=2500")
        async with native_socket(server, auth=False) as reader, native_socket(server) as writer:
            await authenticate(reader, server)
            sid = await writer.created("map")
            mirror = await opened(reader, sid)
            for key in "abc":
                await put(writer, sid, key, 1)
            # There is room for two items.
            await put(writer, sid, "c", 2)
            await follow(mirror, reader, await put(writer, sid, "a", 2))

            assert mirror.forms == {"whole": 4, "delta": 1}
            assert mirror.items == await stored(writer, sid)
            assert hits(server, "delta_memory") > 0
            assert scrape(server).value("syncline_delta_events_total", wire="native") == 1

    async def test_without_any_there_are_no_deltas(self, fresh_server: StartServer) -> None:
        server = fresh_server("--delta-memory=0")
        async with native_socket(server, auth=False) as reader, native_socket(server) as writer:
            await authenticate(reader, server)
            sid = await writer.created("map")
            mirror = await opened(reader, sid)
            for n in range(3):
                last = await put(writer, sid, "a", n)
            await follow(mirror, reader, last)

            assert mirror.forms == {"whole": 3}

    async def test_events_that_redis_lost_are_made_up_for(self, fresh_server: StartServer) -> None:
        server = fresh_server()
        redis = await connect(
            Address(path=str(server.data_dir / "redis" / "redis.sock")), WAIT_LIMIT
        )
        async with native_socket(server, auth=False) as reader, native_socket(server) as writer:
            await authenticate(reader, server)
            sid = await writer.created("map")
            mirror = await opened(reader, sid)
            for n in range(4):
                await redis.execute("CLIENT", "KILL", "TYPE", "pubsub")
                await asyncio.gather(put(writer, sid, "a", n), redis.execute("PING"))
                await writer.ask("remove", map=sid, key="b")
                await follow(mirror, reader, await put(writer, sid, "b", n))
            assert mirror.items == await stored(writer, sid)
        redis.abort()

    async def test_what_replaces_others_comes_whole(self, fresh_server: StartServer) -> None:
        server = fresh_server("--item-limit=131072")
        raw = sockets.socket()
        raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
        raw.connect(("127.0.0.1", server.port))
        raw.setblocking(False)
        options: dict[str, Any] = {"sock": raw, "max_queue": 1, "ping_interval": None}
        async with (
            native_socket(server, auth=False, **options) as slow,
            native_socket(server) as writer,
        ):
            await authenticate(slow, server)
            sid = await writer.created("map")
            for key in "ab":
                data = {"x": "x" * HALF, "y": "y" * HALF}
                await writer.ok("set", map=sid, key=key, data=data)
            mirror = await opened(slow, sid)
            for n in range(WRITES):
                half: dict[str, Any] = {"xy"[n % 2]: "0123456789"[n % 10] * HALF}
                reply = await writer.ok("patch", map=sid, key="ab"[n // 2 % 2], merge=half)
            await follow(mirror, slow, reply["map"]["revision"])
            assert mirror.items == await stored(writer, sid)
            for n in range(2):
                last = await put(writer, sid, "a", n)
                await follow(mirror, slow, last)
            assert mirror.items == await stored(writer, sid)

        assert mirror.forms["whole"] > 2
        assert mirror.forms["delta"] > 0
        assert mirror.forms.total() < WRITES
