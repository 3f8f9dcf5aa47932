from __future__ import annotations

import asyncio
import os
import signal

import psutil
import pytest
from websockets.asyncio.client import connect

from support.api import DocumentsApi, unique
from support.limits import WAIT_LIMIT
from support.server import StartServer
from support.socket import native_socket, websocket_url
from support.stream import event_stream
from syncline_server.observability.metrics import Load
from syncline_server.realtime.connections import VISITED_AT_ONCE, ConnectionRegistry, Description


class FakeConnection:
    """Attributes: `drained`, `evicted`, `disconnected`: how often it was."""

    def __init__(self, key: str | None = None) -> None:
        self.key = key
        self.drained = 0
        self.evicted = 0
        self.disconnected = 0

    def disconnect(self) -> None:
        self.disconnected += 1

    def describe(self) -> Description:
        return Description(
            identity="ada",
            service_sid=None,
            wire="native",
            peer=None,
            key=self.key,
            opened=[],
            open_count=0,
            in_flight=0,
            waiting=0,
            is_slow=False,
        )

    def evict(self) -> None:
        self.evicted += 1

    def drain(self) -> None:
        self.drained += 1

    def load(self) -> Load:
        return Load("native", 0, 0, 0)


class TestDraining:
    async def test_nobody_keeps_it_waiting(self) -> None:
        await ConnectionRegistry().drain_all()

    async def test_it_waits_for_all(self) -> None:
        connections, live_connections = (
            ConnectionRegistry(),
            [FakeConnection(), FakeConnection(), FakeConnection()],
        )
        for live in live_connections:
            connections.add(live)
        connections.remove(live_connections[0])
        leaving = asyncio.create_task(connections.drain_all())
        await asyncio.sleep(0)
        assert [live.drained for live in live_connections] == [0, 1, 1]
        connections.remove(live_connections[1])
        await asyncio.sleep(0)
        assert not leaving.done()
        connections.remove(live_connections[2])
        await leaving

    async def test_a_look_at_many_holds_up_nobody(self) -> None:
        """Who goes meanwhile is not looked at any more."""
        connections, live_connections = (
            ConnectionRegistry(),
            [FakeConnection() for _ in range(3 * VISITED_AT_ONCE)],
        )
        for live in live_connections:
            connections.add(live)
        looking = asyncio.create_task(connections.loads())
        await asyncio.sleep(0)
        assert not looking.done()
        for live in live_connections:
            connections.remove(live)
        assert await looking == [Load("native", 0, 0, 0)] * VISITED_AT_ONCE

    async def test_who_comes_late_is_sent_on(self) -> None:
        connections, live, late = ConnectionRegistry(), FakeConnection(), FakeConnection()
        connections.add(live)
        leaving = asyncio.create_task(connections.drain_all())
        await asyncio.sleep(0)
        connections.add(late)
        assert late.drained == 1
        connections.remove(live)
        await asyncio.sleep(0)
        assert not leaving.done()
        connections.remove(late)
        await leaving

    async def test_those_of_a_key_are_turned_out(self) -> None:
        connections = ConnectionRegistry()
        live_connections = [
            FakeConnection(),
            FakeConnection("SK1"),
            FakeConnection("SK2"),
            FakeConnection("SK1"),
        ]
        for live in live_connections:
            connections.add(live)
        connections.evict("SK1")
        connections.evict("SK3")
        assert [live.evicted for live in live_connections] == [0, 1, 0, 1]

    async def test_one_that_cannot_be_turned_out_keeps_no_other(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Stubborn(FakeConnection):
            def evict(self) -> None:
                raise RuntimeError("stubborn")

        connections = ConnectionRegistry()
        live_connections = [FakeConnection("SK1"), Stubborn("SK1"), FakeConnection("SK1")]
        for live in live_connections:
            connections.add(live)
        connections.evict("SK1")
        assert [live.evicted for live in live_connections] == [1, 0, 1]
        assert "stubborn" in caplog.text

    async def test_a_connection_that_leaves_at_once_is_not_waited_for(self) -> None:
        connections = ConnectionRegistry()

        class Obedient(FakeConnection):
            def drain(self) -> None:
                super().drain()
                connections.remove(self)

        live = Obedient()
        connections.add(live)
        async with asyncio.timeout(WAIT_LIMIT):
            await connections.drain_all()
        assert live.drained == 1


class TestListing:
    async def test_they_come_in_the_order_in_which_they_were_opened_page_by_page(self) -> None:
        connections, live = ConnectionRegistry(), [FakeConnection(f"SK{n}") for n in range(5)]
        for each in live:
            connections.add(each)
        connections.remove(live[1])
        first = await connections.described("", 2, lambda _: True)
        rest = await connections.described(first[-1][0], 9, lambda _: True)
        assert [each.key for _, each in first + rest] == ["SK0", "SK2", "SK3", "SK4"]
        assert len({name for name, _ in first + rest}) == 4

    async def test_only_the_one_with_the_id_is_disconnected(self) -> None:
        connections, live = ConnectionRegistry(), [FakeConnection(), FakeConnection("SK1")]
        for each in live:
            connections.add(each)
        [(name, _)] = await connections.described("", 9, lambda each: each.key == "SK1")
        found = connections.disconnect(name)
        assert found is not None and found.key == "SK1"
        assert [each.disconnected for each in live] == [0, 1]
        assert ConnectionRegistry().disconnect(name) is None


class TestShutdown:
    async def test_requests_under_way_are_answered_before_the_farewell(
        self, fresh_server: StartServer
    ) -> None:
        server = fresh_server()
        async with (
            native_socket(server) as idle,
            native_socket(server) as busy,
            native_socket(server, auth=False) as stranger,
        ):
            first = await busy.document("open", document=unique())
            [redis] = psutil.Process(server.process.pid).children()
            os.kill(redis.pid, signal.SIGSTOP)
            ids = [await busy.send("set", document=first["sid"], data={"n": n}) for n in range(9)]
            await busy.connection.ping()
            server.process.terminate()
            # Who has nothing under way goes first, which shows that the server is leaving.
            assert await idle.closed() == (4000, "the server is shutting down")
            assert (await stranger.closed())[0] == 4000
            os.kill(redis.pid, signal.SIGCONT)
            replies = [await busy.reply(request_id) for request_id in ids]
            assert await busy.closed() == (4000, "the server is shutting down")

        assert all("ok" in reply for reply in replies)
        assert await asyncio.to_thread(server.stop) == 0
        await asyncio.to_thread(server.restart)
        with DocumentsApi(server) as api:
            assert api.fetch(first["sid"])["data"] == {"n": 8}

    async def test_event_streams_are_notified_and_nobody_new_comes_in(
        self, fresh_server: StartServer
    ) -> None:
        server = fresh_server()
        with DocumentsApi(server) as api:
            sid = api.create()["sid"]
        async with event_stream(server, sid) as stream:
            assert (await stream.next()).name == "state"
            server.process.terminate()
            [closing] = await stream.rest()
        with pytest.raises(ConnectionRefusedError):
            await connect(websocket_url(server))

        assert (closing.name, closing.id) == ("closing", None)
        assert closing.data == {
            "code": 20503,
            "message": "The server is shutting down.",
            "retry": True,
        }
        assert await asyncio.to_thread(server.stop) == 0
