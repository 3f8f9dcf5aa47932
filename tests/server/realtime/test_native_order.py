"""Order, atomic openings and operation ids over real sockets (docs/protocol.md, 3 and 4)."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

import psutil
import pytest

from support.api import unique
from support.server import RunningServer, StartServer
from support.socket import NativeSocket, native_socket

SOCKETS = 40
OPENINGS = 5
"""Each socket opens the document so many times: 200 openings in all."""


class TestOrder:
    async def test_each_reply_comes_before_its_event(self, server: RunningServer) -> None:
        async with native_socket(server) as socket:
            first = await socket.document("open", document=(name := unique()))
            ids = [
                await socket.send("set", document=(name, first["sid"])[n % 2], data={"n": n})
                for n in range(300)
            ]
            messages = [await socket.receive() for _ in range(600)]

        replies = [message for message in messages if "id" in message]
        events = [message["document"] for message in messages if "event" in message]
        assert [reply["id"] for reply in replies] == ids
        revisions = [reply["ok"]["document"]["revision"] for reply in replies]
        assert [event["revision"] for event in events] == revisions
        assert [event["data"]["n"] for event in events] == list(range(300))
        assert _chain(first["revision"], events)
        for reply, event in zip(replies, events, strict=True):
            at = next(i for i, each in enumerate(messages) if each.get("document") is event)
            assert messages.index(reply) < at

    async def test_every_verb_takes_its_turn(self, server: RunningServer) -> None:
        name = unique()
        async with native_socket(server) as socket:
            ids = [
                await socket.send("open", document=name, data={"n": 0}),
                await socket.send("patch", document=name, increment={"/n": 1}),
                await socket.send("get", document=name),
                await socket.send("remove", document=name),
                await socket.send("get", document=name),
                await socket.send("open", document=name, data={"n": 5}),
                await socket.send("set", document=name, data={"n": 6}),
                await socket.send("get", document=name),
            ]
            replies = [await socket.reply(request_id) for request_id in ids]

        assert replies[2]["ok"]["document"]["data"] == {"n": 1}
        assert replies[4]["error"]["status"] == 404
        assert replies[5]["ok"]["created"]
        assert replies[7]["ok"]["document"]["data"] == {"n": 6}

    async def test_concurrent_writers_receive_one_order(self, server: RunningServer) -> None:
        async with (
            native_socket(server) as one,
            native_socket(server) as two,
            native_socket(server) as reader,
        ):
            first = await reader.document("open", document=(name := unique()), data={"n": 0})
            await asyncio.gather(*(_increment(socket, name, 100) for socket in (one, two)))
            newest = await one.document("get", document=name)
            events = await _events_until(reader, newest["revision"])

        assert newest["data"] == {"n": 200}
        # What waited together is delivered together.
        values = [event["data"]["n"] for event in events]
        assert values == sorted(set(values)) and values[-1] == 200
        assert _chain(first["revision"], events)

    async def test_requests_above_the_bound_wait(self, fresh_server: StartServer) -> None:
        server = fresh_server("--max-in-flight=4")
        async with native_socket(server) as socket, native_socket(server) as other:
            await socket.ok("open", document=(name := unique()))
            for count in (3, 4):
                with _paused_redis(server):
                    gets = [await socket.send("get", document=name) for _ in range(count)]
                    ping = await socket.send("ping")
                    await other.ok("ping")  # by now the server has seen the others
                first = await socket.receive()
                assert first["id"] == (ping if count == 3 else gets[0])
                for request_id in {*gets, ping} - {first["id"]}:
                    await socket.reply(request_id)


class TestAtomicOpening:
    async def test_nothing_is_missed_and_nothing_reported_twice(
        self, server: RunningServer
    ) -> None:
        name = unique()
        async with native_socket(server) as writer:
            await writer.ok("open", document=name, data={"n": 0})
            async with asyncio.TaskGroup() as readers:
                reading = [readers.create_task(_read(server, name)) for _ in range(SOCKETS)]
                writing = asyncio.create_task(_write_until(writer, name, reading))
            newest = await writing
            assert int(newest["revision"]) >= max(task.result() for task in reading)

    async def test_a_reader_that_comes_back_goes_on_from_its_revision(
        self, server: RunningServer
    ) -> None:
        name = unique()
        async with native_socket(server) as writer, native_socket(server) as reader:
            first = await reader.document("open", document=name, data={"n": 0})
            await reader.ok("unsubscribe", document=name)
            await _increment(writer, name, 3)
            again = await reader.document("open", document=name, revision=first["revision"])
            newest = await writer.document("patch", document=name, increment={"/n": 1})
            assert await reader.updates(newest["revision"]) == [newest["revision"]]

        assert again["data"] == {"n": 3}


WRITES: list[tuple[str, dict[str, Any]]] = [
    ("set", {"data": {"n": 2}}),
    ("patch", {"increment": {"/n": 1}}),
    (
        "patch",
        {"operations": [{"op": "test", "path": "/n", "value": 1}, {"op": "remove", "path": "/n"}]},
    ),
    ("patch", {"merge": {"n": 2}}),
    ("ttl", {"ttl": 60}),
]


class TestOperationIds:
    @pytest.mark.parametrize(("do", "members"), WRITES)
    @pytest.mark.parametrize("conditional", [False, True])
    async def test_what_was_applied_is_not_applied_again(
        self, server: RunningServer, do: str, members: dict[str, Any], conditional: bool
    ) -> None:
        op = unique()
        async with native_socket(server) as observer:
            opened = await observer.document("open", document=unique(), data={"n": 1})
            request = {"document": opened["sid"], "op": op, **members}
            if conditional:
                request["if_match"] = opened["revision"]
            async with native_socket(server) as socket:
                first = await socket.ok(do, **request)
            async with native_socket(server) as socket:
                again = await socket.ok(do, **request)
                last = await socket.document("set", document=opened["sid"], data={})
                later = await socket.ok(do, **request)

            assert "repeated" not in first
            assert again == {**first, "repeated": True}
            assert later["repeated"] is True
            assert later["document"]["revision"] == first["document"]["revision"]
            revisions = [first["document"]["revision"], last["revision"]]
            assert await observer.updates(last["revision"]) == revisions

    async def test_a_removal_is_not_repeated(self, server: RunningServer) -> None:
        op, name = unique(), unique()
        async with native_socket(server) as observer:
            await observer.ok("open", document=name)
            async with native_socket(server) as socket:
                first = await socket.ok("remove", document=name, op=op)
            async with native_socket(server) as socket:
                await socket.ok("open", document=name)
                again = await socket.ok("remove", document=name, op=op)
                assert (await socket.ok("get", document=name))["document"]["unique_name"] == name
            event = await observer.event()

        assert again == {**first, "repeated": True}
        assert event["document"]["revision"] == first["document"]["revision"]

    @pytest.mark.parametrize("named", [False, True])
    async def test_a_creation_is_not_repeated(self, server: RunningServer, named: bool) -> None:
        request: dict[str, Any] = {"op": unique(), "data": {"n": 1}, "mode": "create_new"}
        if named:
            request["document"] = unique()
        async with native_socket(server) as socket:
            first = await socket.ok("open", **request)
        async with native_socket(server) as socket:
            again = await socket.ok("open", **request)

        assert again["created"] is True
        assert again["document"] == first["document"]

    async def test_they_are_each_identity_s_own(self, server: RunningServer) -> None:
        name, op = unique(), unique()
        async with (
            native_socket(server, server.token("a")) as one,
            native_socket(server, server.token(f"a:{op}")) as two,
        ):
            await one.ok("open", document=name, data={"n": 0})
            await one.ok("patch", document=name, increment={"/n": 1}, op=f"{op}:x")
            second = await two.ok("patch", document=name, increment={"/n": 1}, op="x")
            third = await two.ok("patch", document=name, increment={"/n": 1}, op=f"{op}:x")

        assert "repeated" not in second | third
        assert third["document"]["data"] == {"n": 3}


async def _increment(socket: NativeSocket, name: str, count: int) -> None:
    ids = [await socket.send("patch", document=name, increment={"/n": 1}) for _ in range(count)]
    for request_id in ids:
        assert "ok" in await socket.reply(request_id)


async def _events_until(socket: NativeSocket, revision: str) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    while not events or events[-1]["revision"] != revision:
        events.append((await socket.event())["document"])
    return events


async def _read(server: RunningServer, name: str) -> int:
    """Open again and again, and check what follows; returns the newest revision seen."""
    newest = 0
    async with native_socket(server) as socket:
        for _ in range(OPENINGS):
            document = await socket.document("open", document=name)
            assert int(document["revision"]) >= newest
            events = [(await socket.event())["document"] for _ in range(3)]
            assert _chain(document["revision"], events)
            assert events[0]["data"]["n"] == document["data"]["n"] + 1
            unsubscribed = await socket.send("unsubscribe", document=name)
            await socket.reply(unsubscribed)
            while socket.unread:
                events.append((await socket.event())["document"])
            assert _chain(document["revision"], events)
            newest = int(events[-1]["revision"])
    return newest


async def _write_until(
    socket: NativeSocket, name: str, readers: list[asyncio.Task[int]]
) -> dict[str, Any]:
    document: dict[str, Any] = {}
    while not all(reader.done() for reader in readers):
        document = await socket.document("patch", document=name, increment={"/n": 1})
    return document


def _chain(revision: str, events: list[dict[str, Any]]) -> bool:
    """True if each event names the revision before it, and is newer."""
    for event in events:
        if event["previous_revision"] != revision or int(event["revision"]) <= int(revision):
            return False
        revision = event["revision"]
    return True


class _paused_redis:
    """The server's own Redis answers nobody meanwhile."""

    def __init__(self, server: RunningServer) -> None:
        [child] = psutil.Process(server.process.pid).children()
        self._process_id = child.pid

    def __enter__(self) -> None:
        os.kill(self._process_id, signal.SIGSTOP)

    def __exit__(self, *_: object) -> None:
        os.kill(self._process_id, signal.SIGCONT)
