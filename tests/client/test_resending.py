"""Writes in flight at a break: which are sent again, and whose event comes first."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from support.listening import record_events
from support.peer import PeerConnection, document, peer
from support.snapshots import SID
from support.socket import WAIT
from syncline import Client, ConnectionLost, Document, RequestTimeout, connect
from syncline.rest import RestTransport
from syncline.transport import EventHandler

LONG_TIMEOUT: dict[str, Any] = {"request_timeout": 600, "backoff_initial": 0.01}


class Clock:
    """The time of day that `Connection` sees."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("syncline.attempts.time", SimpleNamespace(time=clock))
    return clock


async def opened(client: Client, connection: PeerConnection) -> Document:
    opening = asyncio.create_task(client.document("name"))
    await connection.receive()
    await connection.ok(created=False, document=document(1))
    return await opening


async def received(connection: PeerConnection, do: str) -> dict[str, Any]:
    """The next request with this verb; others get no reply."""
    while (request := await connection.receive())["do"] != do:
        pass
    return request


class TestLimit:
    async def test_a_write_is_sent_again_while_the_server_remembers_it(self, clock: Clock) -> None:
        async with peer() as server, connect(server.url, token="t", **LONG_TIMEOUT) as client:
            connection = await server.next()
            handle = await opened(client, connection)
            writing = asyncio.create_task(handle.set({"n": 1}))
            first = await received(connection, "set")
            clock.now += 99
            await connection.socket.close(4000)
            connection = await server.next()
            assert await received(connection, "set") == first
            await connection.ok(document={"sid": SID, "revision": "2"})
            assert await writing == {"n": 1}

    async def test_and_not_after_that(self, clock: Clock) -> None:
        async with peer() as server, connect(server.url, token="t", **LONG_TIMEOUT) as client:
            connection = await server.next()
            handle = await opened(client, connection)
            writing = asyncio.create_task(handle.set({"n": 1}))
            await received(connection, "set")
            clock.now += 101
            await connection.socket.close(4000)
            connection = await server.next()
            reading = asyncio.create_task(client.document("name", mode="open_existing"))
            # Requests of one connection come in order: `set` would be among them.
            verbs = [(await connection.receive())["do"] for _ in range(2)]
            assert verbs == ["open", "open"]
            async with asyncio.timeout(WAIT):
                with pytest.raises(RequestTimeout, match="its outcome is unknown"):
                    await writing
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def test_time_without_a_connection_before_it_was_sent_does_not_count(
        self, clock: Clock
    ) -> None:
        async with peer() as server, connect(server.url, token="t", **LONG_TIMEOUT) as client:
            connection = await server.next()
            handle = await opened(client, connection)
            await connection.socket.close(4000)
            await client._connection._transport.ended  # type: ignore[union-attr]
            writing = asyncio.create_task(handle.set({"n": 1}))
            await asyncio.sleep(0)
            clock.now += 101
            connection = await server.next()
            await received(connection, "set")
            await connection.ok(document={"sid": SID, "revision": "2"})
            assert await writing == {"n": 1}

    async def test_a_request_without_an_op_has_no_limit(self, clock: Clock) -> None:
        async with peer() as server, connect(server.url, token="t", **LONG_TIMEOUT) as client:
            connection = await server.next()
            objects = client._objects
            asked = asyncio.create_task(objects.request("get", lambda ok: ok, document="name"))
            await received(connection, "get")
            clock.now += 101
            await connection.socket.close(4000)
            connection = await server.next()
            await received(connection, "get")
            await connection.ok(document=document(1))
            assert await asked == {"document": document(1)}


class TestEventBeforeReply:
    """The connection before the break may have carried the write, which is applied only now."""

    @pytest.mark.parametrize(
        "is_opened_first",
        [
            False,
            True,  # the event takes the place of the state in the reply to `open`
        ],
    )
    async def test_the_event_waits_for_the_reply(self, is_opened_first: bool) -> None:
        options = {**LONG_TIMEOUT, "event_queue": 1}
        async with peer() as server, connect(server.url, token="t", **options) as client:
            connection = await server.next()
            handle = await opened(client, connection)
            recorder = record_events(handle)
            writing = asyncio.create_task(handle.set({"at": 2}))
            await received(connection, "set")
            await connection.socket.close(4000)
            connection = await server.next()
            ids: dict[str, int] = {}
            while len(ids) < 2:
                request = await connection.receive()
                ids[request["do"]] = connection._last["id"]
            if is_opened_first:
                await connection.send(id=ids["open"], ok={"document": document(1)})
            await connection.send(event="updated", document=document(2, previous_revision="1"))
            written = {"sid": SID, "revision": "2"}
            await connection.send(id=ids["set"], ok={"document": written, "repeated": True})
            await writing
            event = await recorder.next()
            assert (event.revision, event.is_local) == ("2", True)


class TestChangeOfTransport:
    async def test_an_event_of_the_transport_before_waits_for_the_reply_to_its_write(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """REST still delivers events while the WebSocket that replaces it is in use."""
        rest: list[EventHandler] = []

        async def open_rest(*arguments: Any, **options: Any) -> Any:
            rest.append(arguments[3])
            raise ConnectionLost("only its handler of events is needed")

        monkeypatch.setattr(RestTransport, "open", open_rest)
        async with peer() as server, connect(server.url, token="t", **LONG_TIMEOUT) as client:
            connection = await server.next()
            handle = await opened(client, connection)
            events = record_events(handle)
            with pytest.raises(ConnectionLost):
                await client._connection._dialer._dial_rest("t", None)
            writing = asyncio.create_task(handle.set({"at": 2}))
            await received(connection, "set")
            rest[0]({"event": "updated", "document": document(2)})
            await connection.ok(document=document(2))
            await writing
            event = await events.next()
        assert (event.revision, event.is_local) == ("2", True)
