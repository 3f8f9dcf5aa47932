"""Events that carry only what has changed (docs/protocol.md, section 5)."""

from __future__ import annotations

import asyncio
import random
import socket as sockets
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from support.api import unique
from support.deltas import Mirror
from support.metrics import hits, scrape
from support.server import RunningServer, StartServer
from support.socket import NativeSocket, native_socket
from support.store import WAIT_LIMIT
from syncline_protocol.documents import Updated
from syncline_protocol.objects import Base
from syncline_server.realtime import native_events
from syncline_server.storage.redis.address import Address
from syncline_server.storage.redis.connection import connect

DATA = {"text": "." * 1_000, "n": 0}


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


async def authenticate(socket: NativeSocket, server: RunningServer, **members: Any) -> None:
    await socket.ok("auth", **{"token": server.token(), "deltas": True, **members})


async def opened(socket: NativeSocket, data: dict[str, Any] | None = None) -> Mirror:
    """A new document, open on a socket."""
    given = DATA if data is None else data
    return Mirror(await socket.document("open", document=unique(), data=given))


class TestForm:
    async def test_who_asked_receives_deltas_and_others_receive_all(
        self, writer: NativeSocket, reader: NativeSocket
    ) -> None:
        mirror = await opened(reader)
        await writer.ok("open", document=mirror.sid)
        for n in range(1, 4):
            await writer.ok("set", document=mirror.sid, data=DATA | {"n": n})
            event = await reader.event()
            assert event["document"]["delta"]["operations"] == [
                {"op": "replace", "path": "/n", "value": n}
            ]
            mirror.take(event)
            assert mirror.data == DATA | {"n": n}
            own = await writer.event()
            assert own["document"]["data"] == mirror.data
            del own["document"]["data"], event["document"]["delta"]
            assert own == event

        assert mirror.forms == {"delta": 3}

    async def test_data_that_is_small_or_all_new_comes_whole(
        self, writer: NativeSocket, reader: NativeSocket
    ) -> None:
        mirror = await opened(reader)
        for data in ({"n": 1}, {"n": 2}, {"text": "-" * 1_000}, {"text": "+" * 1_000}):
            await writer.ok("set", document=mirror.sid, data=data)
            mirror.take(await reader.event())
            assert mirror.data == data

        assert mirror.forms == {"whole": 4}

    async def test_documents_that_are_replaced_are_not_compared_every_time(
        self, writer: NativeSocket, reader: NativeSocket
    ) -> None:
        mirror = await opened(reader)
        for n in range(20):
            await writer.ok("set", document=mirror.sid, data={"text": f"{n:x}" * 1_000})
            mirror.take(await reader.event())
        assert mirror.forms == {"whole": 20}
        for n in range(64):
            await writer.ok("patch", document=mirror.sid, merge={"n": n})
            mirror.take(await reader.event())
        # Once it pays again, that is found out.
        assert mirror.forms["delta"] > 0

    async def test_a_change_of_the_expiry_alone_has_no_operations(
        self, writer: NativeSocket, reader: NativeSocket
    ) -> None:
        mirror = await opened(reader)
        await writer.ok("ttl", document=mirror.sid, ttl=1_000)
        event = await reader.event()

        assert event["document"]["delta"]["operations"] == []
        assert event["document"]["date_expires"] is not None
        mirror.take(event)
        assert mirror.data == DATA

    async def test_the_end_of_a_document_is_reported_as_ever(
        self, writer: NativeSocket, reader: NativeSocket
    ) -> None:
        mirror = await opened(reader)
        await writer.ok("set", document=mirror.sid, data=DATA | {"n": 1})
        await writer.ok("remove", document=mirror.sid)
        mirror.take(await reader.event())
        event = await reader.event()

        assert event["event"] == "removed"
        assert event["document"]["previous_revision"] == mirror.revision

    async def test_deltas_begin_at_what_this_connection_received(
        self, server: RunningServer, writer: NativeSocket, reader: NativeSocket
    ) -> None:
        """Neither at what others received, nor at the replies to other requests."""
        mirror = await opened(reader)
        await writer.ok("set", document=mirror.sid, data=DATA | {"n": 1})
        mirror.take(await reader.event())
        async with native_socket(server, auth=False) as late:
            await authenticate(late, server)
            await late.ok("get", document=mirror.sid)
            second = Mirror(await late.document("open", document=mirror.sid))
            await writer.ok("set", document=mirror.sid, data=DATA | {"n": 2})
            second.take(await late.event())
            assert second.data == DATA | {"n": 2}
        mirror.take(await reader.event())

        assert mirror.forms == {"delta": 2}
        assert second.forms == {"delta": 1}

    async def test_after_a_break_they_begin_at_the_revision_of_the_client(
        self, server: RunningServer, writer: NativeSocket
    ) -> None:
        async with native_socket(server, auth=False) as first:
            await authenticate(first, server)
            mirror = await opened(first)
        async with native_socket(server, auth=False) as second:
            await authenticate(second, server)
            reply = await second.document("open", document=mirror.sid, revision=mirror.revision)
            assert "data" not in reply
            await writer.ok("set", document=mirror.sid, data=DATA | {"n": 1})
            mirror.take(await second.event())

        assert mirror.data == DATA | {"n": 1}
        assert mirror.forms == {"delta": 1}

    async def test_who_opens_again_goes_on_from_that_reply(
        self, writer: NativeSocket, reader: NativeSocket
    ) -> None:
        mirror = await opened(reader)
        for n in range(1, 50):
            await writer.ok("patch", document=mirror.sid, merge={"n": n})
            asked = await reader.send("open", document=mirror.sid)
            while "id" not in (message := await reader.receive()):
                mirror.take(message)
            assert message["id"] == asked
            again = message["ok"]["document"]
            assert int(again["revision"]) >= int(mirror.revision)
            mirror.data, mirror.revision = again["data"], again["revision"]
            assert mirror.data == DATA | {"n": n}

    async def test_a_bad_wish_is_refused_and_a_later_one_changes_nothing(
        self, server: RunningServer, writer: NativeSocket
    ) -> None:
        async with native_socket(server, auth=False) as socket:
            await authenticate(socket, server, deltas=False)
            error = await socket.error("auth", token=server.token(), deltas=1)
            assert (error["code"], error["status"]) == (20422, 400)
            await authenticate(socket, server)
            mirror = await opened(socket)
            await writer.ok("set", document=mirror.sid, data=DATA | {"n": 1})
            mirror.take(await socket.event())

        assert mirror.forms == {"whole": 1}


class TestOwnWrites:
    async def test_the_event_repeats_nothing_that_the_writer_knows(
        self, reader: NativeSocket
    ) -> None:
        mirror = await opened(reader)
        requests: list[dict[str, Any]] = [
            {"do": "set", "data": {"n": 1}},
            {"do": "set", "data": DATA},
            {"do": "patch", "increment": {"/n": 1}},
            {"do": "patch", "merge": {"n": None}},
        ]
        for n, request in enumerate(requests):
            reply = await reader.document(**request, document=mirror.sid)
            mirror.written[reply["revision"]] = reply.get("data", request.get("data"))
            mirror.take(await reader.event())
            assert mirror.forms == {"bare": n + 1}
        assert mirror.data == {"text": DATA["text"]}

    async def test_of_an_expiry_it_knows_no_data(self, reader: NativeSocket) -> None:
        mirror = await opened(reader)
        await reader.ok("ttl", document=mirror.sid, ttl=1_000)
        mirror.take(await reader.event())

        assert mirror.forms == {"delta": 1}

    async def test_between_those_of_others_nothing_is_missed(
        self, writer: NativeSocket, reader: NativeSocket
    ) -> None:
        mirror = await opened(reader)

        async def write(socket: NativeSocket) -> None:
            for n in range(100):
                members = {"document": mirror.sid, "data": DATA | {"n": n}}
                reply = await socket.document("set", **members)
                mirror.written[reply["revision"]] = members["data"]

        await asyncio.gather(write(writer), write(reader))
        for event in [await reader.event() for _ in range(200)]:
            mirror.take(event)

        assert mirror.data == mirror.written[max(mirror.written, key=int)]
        assert mirror.forms["bare"] > 0
        assert mirror.forms["delta"] > 0


HALF = 60_000
WRITES = 200
"""So many writes of a half each fit in no buffer of the kernel."""


class TestSlowReader:
    async def test_what_replaces_others_comes_whole(self, fresh_server: StartServer) -> None:
        server = fresh_server("--data-limit=131072")
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
            mirror = await opened(slow, {"a": "a" * HALF, "b": "b" * HALF})
            for _ in range(3):
                for n in range(WRITES):
                    merge = {"ab"[n % 2]: "0123456789"[n % 10] * HALF}
                    newest = await writer.document("patch", document=mirror.sid, merge=merge)
                while mirror.revision != newest["revision"]:
                    mirror.take(await slow.event())
                assert mirror.data == newest["data"]

        assert mirror.forms["whole"] > 0
        assert mirror.forms["delta"] > 0
        assert mirror.forms.total() < 3 * WRITES


class TestFaults:
    async def test_events_that_redis_lost_are_made_up_for(self, fresh_server: StartServer) -> None:
        server = fresh_server()
        redis = await connect(
            Address(path=str(server.data_dir / "redis" / "redis.sock")), WAIT_LIMIT
        )
        async with native_socket(server, auth=False) as reader, native_socket(server) as writer:
            await authenticate(reader, server)
            mirror = await opened(reader)
            for n in range(1, 4):
                await redis.execute("CLIENT", "KILL", "TYPE", "pubsub")
                await writer.ok("set", document=mirror.sid, data=DATA | {"n": n})
                while mirror.data != DATA | {"n": n}:
                    mirror.take(await reader.event())
        redis.abort()

    async def test_a_revision_that_was_lost_is_gone_beyond(
        self, server: RunningServer, writer: NativeSocket, reader: NativeSocket
    ) -> None:
        """As after a failover: somebody holds a revision that the store does not know."""
        mirror = await opened(reader)
        async with native_socket(server, auth=False) as stranger:
            await authenticate(stranger, server)
            claimed = str(int(mirror.revision) + 1)
            advanced = await stranger.document("open", document=mirror.sid, revision=claimed)
            assert int(advanced["revision"]) > int(claimed)
            other = Mirror(advanced)
            mirror.take(await reader.event())
            assert mirror.data == other.data == DATA
            await writer.ok("set", document=mirror.sid, data=DATA | {"n": 1})
            mirror.take(await reader.event())
            other.take(await stranger.event())

        assert mirror.data == other.data == DATA | {"n": 1}
        assert mirror.forms == {"whole": 1, "delta": 1}
        assert other.forms == {"delta": 1}


class TestMemory:
    async def test_what_was_forgotten_comes_whole_once(self, fresh_server: StartServer) -> None:
        server = fresh_server("--delta-memory=2500")
        async with (
            native_socket(server, auth=False) as reader,
            native_socket(server) as writer,
        ):
            await authenticate(reader, server)
            mirrors = [await opened(reader) for _ in range(3)]
            for mirror in mirrors:
                await writer.ok("patch", document=mirror.sid, merge={"n": 1})
                mirror.take(await reader.event())
            await writer.ok("patch", document=mirrors[2].sid, merge={"n": 2})
            mirrors[2].take(await reader.event())

            assert [mirror.forms["whole"] for mirror in mirrors] == [1, 1, 1]
            assert mirrors[2].forms["delta"] == 1
            assert scrape(server).value("syncline_delta_events_total", wire="native") == 1
            assert hits(server, "delta_memory") > 0

    async def test_without_any_there_are_no_deltas(self, fresh_server: StartServer) -> None:
        server = fresh_server("--delta-memory=0")
        async with (
            native_socket(server, auth=False) as reader,
            native_socket(server) as writer,
        ):
            await authenticate(reader, server)
            mirror = await opened(reader)
            await writer.ok("patch", document=mirror.sid, merge={"n": 1})
            mirror.take(await reader.event())

            assert mirror.forms == {"whole": 1}


def test_a_delta_that_cannot_be_made_keeps_nobody_from_the_event(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As of data that somebody else wrote into Redis."""
    data = orjson.dumps(DATA)
    event = Updated(
        sid="ET",
        unique_name=None,
        revision=2,
        previous=1,
        at_ms=0,
        by="bob",
        data=data,
        expires_ms=None,
        base=Base(b"nonsense", lambda _: None),
    )

    assert event.encoded(native_events._encode_delta) == native_events._encode_event(event)
    assert "a delta of ET could not be made" in caplog.text


async def test_random_edits_by_many_leave_every_mirror_alike(
    server: RunningServer, writer: NativeSocket, reader: NativeSocket
) -> None:
    numbers = random.Random(5)
    mirror = await opened(reader, {"items": [{"n": n, "done": False} for n in range(60)]})
    whole = Mirror(await writer.document("open", document=mirror.sid))
    newest: dict[str, Any] = {}
    for _ in range(500):
        newest = await writer.document("patch", document=mirror.sid, **edit(numbers, whole.data))
        whole.take(await writer.event())
        mirror.take(await reader.event())
        assert mirror.data == whole.data == newest["data"]

    assert mirror.forms["delta"] > 400


def edit(numbers: random.Random, data: Any) -> dict[str, Any]:
    """A patch of one of the shapes that applications make."""
    items = data["items"]
    place = numbers.randrange(len(items))
    operation: dict[str, Any]
    match numbers.randrange(6):
        case 0:
            operation = {"op": "add", "path": f"/items/{place}", "value": {"n": numbers.random()}}
        case 1 if len(items) > 30:
            operation = {"op": "remove", "path": f"/items/{place}"}
        case 2:
            operation = {"op": "move", "from": f"/items/{place}", "path": "/items/0"}
        case 3:
            return {"merge": {numbers.choice("xyz~/é"): numbers.choice([1, True, 2.5, None, {}])}}
        case 4:
            return {"increment": {f"/items/{place}/count": numbers.choice([1, 0.5])}}
        case _:
            operation = {"op": "add", "path": f"/items/{place}/done", "value": True}
    return {"operations": [operation]}
