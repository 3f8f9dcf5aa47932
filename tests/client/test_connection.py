"""How a client connects, and how it comes back."""

from __future__ import annotations

import asyncio
import logging
import socket as sockets
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any, TypeVar

import pytest

from support.api import DocumentsApi, unique
from support.listening import EventRecorder, record_events, state
from support.peer import document, peer
from support.proxy import Proxy
from support.server import RunningServer, StartServer
from syncline import (
    Client,
    ConnectionLost,
    ConnectionState,
    Document,
    Removed,
    RequestTimeout,
    StateChanged,
    TokenExpired,
    TokenUnavailable,
    Unauthorized,
    Unavailable,
    WebSocketBlocked,
    connect,
)
from syncline_protocol.backoff import Backoff

T = TypeVar("T")

FAST: dict[str, Any] = {"backoff_initial": 0.01}

SOON: dict[str, Any] = {"open_timeout": 0.3, **FAST}
"""For a first connection that cannot be made."""


@pytest.fixture
def api(server: RunningServer) -> Iterator[DocumentsApi]:
    with DocumentsApi(server) as api:
        yield api


class TestFirstConnection:
    @pytest.mark.parametrize("transport", ["auto", "websocket", "rest"])
    async def test_nothing_listens(self, transport: Any) -> None:
        with sockets.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        with pytest.raises(ConnectionLost) as lost:
            await connect(f"http://127.0.0.1:{port}", token="t", transport=transport, **SOON)
        assert lost.value.retry

    @pytest.mark.parametrize("transport", ["auto", "websocket", "rest"])
    async def test_the_token_is_refused(self, server: RunningServer, transport: Any) -> None:
        with pytest.raises(Unauthorized) as refused:
            await connect(server.url, token="forged", transport=transport)
        assert (refused.value.code, refused.value.status) == (20101, 401)
        with pytest.raises(TokenExpired):
            await connect(server.url, token=server.token(ttl=-60), transport=transport)

    async def test_the_url_cannot_be_a_server_s(self) -> None:
        with pytest.raises(ValueError):
            connect("ftp://host", token="t")

    @pytest.mark.parametrize("transport", ["websocket", "rest"])
    async def test_something_else_listens(self, transport: Any) -> None:
        async def chat(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with closing(writer), suppress(asyncio.IncompleteReadError, ConnectionError):
                await reader.readuntil(b"\r\n\r\n")
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
                await writer.drain()

        async with await asyncio.start_server(chat, "127.0.0.1", 0) as other:
            url = f"http://127.0.0.1:{other.sockets[0].getsockname()[1]}"
            with pytest.raises(ConnectionLost):
                await connect(url, token="t", transport=transport, **SOON)

    @pytest.mark.parametrize("transport", ["websocket", "rest"])
    async def test_what_listens_says_nothing(self, transport: Any) -> None:
        with sockets.create_server(("127.0.0.1", 0)) as silent:
            url = f"http://127.0.0.1:{silent.getsockname()[1]}"
            with pytest.raises(ConnectionLost):
                await connect(url, token="t", transport=transport, open_timeout=0.05)


class TestToken:
    @pytest.mark.parametrize("kind", ["sync", "async"])
    async def test_a_function_is_asked_on_each_connect(self, kind: str) -> None:
        asked: list[str] = []

        def make() -> str:
            asked.append(f"e30.e30.{len(asked)}")
            return asked[-1]

        async def make_later() -> str:
            await asyncio.sleep(0)
            return make()

        token = make if kind == "sync" else make_later
        async with peer() as server, connect(server.url, token=token, **FAST):
            for n in range(3):
                connection = await server.next()
                assert connection.token == asked[-1] == f"e30.e30.{n}"
                await connection.socket.close(4000)

    async def test_a_function_is_asked_when_the_end_is_near(self) -> None:
        tokens = iter(["e30.e30.first", "e30.e30.second", "e30.e30.third"])
        async with peer() as server, connect(server.url, token=lambda: next(tokens)):
            connection = await server.next()
            for token in ("e30.e30.second", "e30.e30.third"):
                await connection.send(event="token_about_to_expire", expires_in=5)
                assert await connection.receive() == {"do": "auth", "token": token}
                await connection.ok(identity="alice")

    async def test_a_defect_of_the_server_that_checks_it_is_not_final(self) -> None:
        async def connected() -> Client:
            return await connect(server.url, token="t", **FAST)

        async with peer(welcome=False) as server:
            connecting = asyncio.create_task(connected())
            connection = await server.next()
            await connection.receive()
            await connection.refuse(20500, 500)
            await (await server.next()).welcome()
            await (await connecting).close()

    async def test_a_renewal_that_fails_is_left_to_the_expiry(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        tokens = iter(["e30.e30.first"])
        async with peer() as server, connect(server.url, token=lambda: next(tokens)) as client:
            connection = await server.next()
            await connection.send(event="token_about_to_expire", expires_in=5)
            opening = asyncio.create_task(client.document("name"))
            await connection.receive()
            await connection.ok(created=False, document=document(1))
            assert (await opening).data == {"at": 1}
        assert any(record.levelno == logging.WARNING for record in caplog.records)

    async def test_what_the_function_raises_at_first_is_reported_in_the_end(self) -> None:
        def fail() -> str:
            raise LookupError("no token")

        with pytest.raises(TokenUnavailable, match="LookupError: no token") as caught:
            await connect("http://127.0.0.1:1", token=fail, **SOON)
        assert isinstance(caught.value.__cause__, LookupError)

    async def test_what_it_raises_later_is_tried_again(self) -> None:
        attempts: list[str] = []

        def make() -> str:
            attempts.append("e30.e30.e30")
            if len(attempts) == 2:
                raise LookupError("no token now")
            return attempts[-1]

        async with peer() as server, connect(server.url, token=make, **FAST):
            await (await server.next()).socket.close(4000)
            await server.next()
        assert len(attempts) == 3

    @pytest.mark.parametrize("transport", ["websocket", "rest"])
    async def test_a_string_that_runs_out_ends_the_client(
        self, fresh_server: StartServer, transport: Any
    ) -> None:
        server = fresh_server("--token-leeway=0")
        token = server.token(ttl=2)
        async with connect(server.url, token=token, transport=transport) as client:
            events = (await client.document()).events()
            with pytest.raises(TokenExpired):
                async for _ in events:
                    pass
            assert client.state is ConnectionState.CLOSED
            with pytest.raises(TokenExpired):
                await client.document()

    @pytest.mark.parametrize("transport", ["websocket", "rest"])
    async def test_with_a_function_the_client_goes_on(
        self, fresh_server: StartServer, transport: Any
    ) -> None:
        server = fresh_server("--token-leeway=0")
        asked, renewed = 0, asyncio.Event()

        def make() -> str:
            nonlocal asked
            asked += 1
            if asked == 1:
                return server.token(ttl=2)
            renewed.set()
            return server.token()

        async with connect(server.url, token=make, transport=transport, **FAST) as client:
            document = await client.document()
            recorder = record_events(document)
            await renewed.wait()
            await document.set({"n": 1})
            assert (await recorder.next()).data == {"n": 1}


async def test_no_more_requests_wait_for_their_replies_than_the_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("syncline.connection.OUTSTANDING_LIMIT", 2)
    async with peer() as server, connect(server.url, token="t", **FAST) as client:
        connection = await server.next()
        opening = [asyncio.create_task(client.document("name")) for _ in range(2)]
        await connection.receive()
        with pytest.raises(Unavailable, match="2 requests wait") as refused:
            await client.document("name")
        assert refused.value.retry
        await connection.ok(created=False, document=document(1))
        await connection.receive()
        await connection.ok(created=False, document=document(1))
        await asyncio.gather(*opening)


class TestReconnect:
    @pytest.fixture(params=["websocket", "rest"])
    def transport(self, request: pytest.FixtureRequest) -> Any:
        return request.param

    async def test_what_was_missed_is_reported(
        self, server: RunningServer, api: DocumentsApi, transport: Any
    ) -> None:
        async with (
            Proxy(server) as proxy,
            connect(proxy.url, token=server.token(), transport=transport, **FAST) as client,
        ):
            states = EventRecorder()
            client.on("state", states)
            changed, same, gone = [await client.document() for _ in range(3)]
            recorder = [record_events(changed), record_events(same), record_events(gone)]
            proxy.reachable = False
            proxy.cut()
            await states.until(lambda change: change.state is ConnectionState.WAITING)
            for n in range(3):
                api.call("POST", changed.sid, data={"Data": f'{{"n":{n}}}'})
            api.call("DELETE", gone.sid)
            proxy.reachable = True
            event, removal = await recorder[0].next(), await recorder[2].next()

            assert (event.data, event.previous_data, event.is_local) == ({"n": 2}, {}, False)
            assert isinstance(removal, Removed)
            assert (removal.revision, removal.removed_by, removal.expired) == (None, None, None)
            assert gone.removed
            api.call("POST", same.sid, data={"Data": '{"n":5}'})
            assert (await recorder[1].next()).data == {"n": 5}
            assert client.state is ConnectionState.CONNECTED

    @pytest.mark.parametrize("applied", [True, False])
    async def test_a_write_in_flight_at_the_break_is_applied_once(
        self, server: RunningServer, api: DocumentsApi, transport: Any, applied: bool
    ) -> None:
        async with (
            Proxy(server) as proxy,
            connect(proxy.url, token=server.token(), transport=transport, **FAST) as client,
        ):
            document = await client.document(data={"n": 0})
            other = await client.document(data={"n": 0})
            recorder = record_events(document)
            for n in range(3):
                await _interrupt(proxy, document, applied=applied)
                assert document.data == {"n": n + 1}
            await other.increment("/n")
            await document.set({"end": True})
            events = await recorder.until(lambda event: event.data == {"end": True})

        assert [event.data for event in events] == [{"n": 1}, {"n": 2}, {"n": 3}, {"end": True}]
        assert [event.is_local for event in events] == [True] * 4

    async def test_every_kind_of_write_survives(
        self, server: RunningServer, api: DocumentsApi, transport: Any
    ) -> None:
        async with (
            Proxy(server) as proxy,
            connect(proxy.url, token=server.token(), transport=transport, **FAST) as client,
        ):
            document = await client.document(unique(), data={"n": 0})
            for write in (
                document.set({"n": 1}),
                document.update({"m": 1}),
                document.mutate(lambda data: {**data, "n": data["n"] + 1}),
                document.set_ttl(600),
            ):
                await _break_during(proxy, asyncio.ensure_future(write))
            assert document.data == {"n": 2, "m": 1}
            opened = await _break_during(
                proxy, asyncio.ensure_future(client.document(mode="create_new", data={"new": 1}))
            )
            assert opened.data == {"new": 1}
            await _break_during(proxy, asyncio.ensure_future(document.remove()))
            assert api.call("GET", document.sid).status_code == 404

    async def test_requests_wait_for_the_connection(
        self, server: RunningServer, transport: Any
    ) -> None:
        async with (
            Proxy(server) as proxy,
            connect(proxy.url, token=server.token(), transport=transport, **FAST) as client,
        ):
            document = await client.document()
            proxy.reachable = False
            proxy.cut()
            await state(client, ConnectionState.WAITING)
            writes = [asyncio.create_task(document.increment("/n")) for _ in range(5)]
            await asyncio.sleep(0)
            proxy.reachable = True
            results = await asyncio.gather(*writes)

        assert sorted(result["n"] for result in results) == [1, 2, 3, 4, 5]

    async def test_requests_do_not_wait_without_limit(
        self, server: RunningServer, transport: Any
    ) -> None:
        options = {"transport": transport, "request_timeout": 0.1, **FAST}
        async with Proxy(server) as proxy:
            client = await connect(proxy.url, token=server.token(), **options)
            document = None
            while document is None:  # a busy machine may not have answered in time
                with suppress(RequestTimeout):
                    document = await client.document()
            proxy.reachable = False
            proxy.cut()
            with pytest.raises(RequestTimeout) as late:
                await document.increment("/n")
            assert late.value.verb == "patch"
            await client.close()

    async def test_a_server_that_restarts_gets_its_clients_back(
        self, fresh_server: StartServer, transport: Any
    ) -> None:
        server = fresh_server()
        async with connect(server.url, token=server.token(), transport=transport, **FAST) as client:
            document = await client.document(unique(), data={"n": 1})
            recorder, states = record_events(document), EventRecorder()
            client.on("state", states)
            await asyncio.to_thread(server.restart)
            await states.until(lambda change: change.state is ConnectionState.CONNECTED)
            with DocumentsApi(server) as api:
                assert api.fetch(document.sid)["data"] == {"n": 1}
                api.call("POST", document.sid, data={"Data": '{"n":2}'})
            assert (await recorder.next()).data == {"n": 2}
            assert await document.increment("/n") == {"n": 3}


class TestStates:
    async def test_a_break_is_reported_with_its_reason(self) -> None:
        async with peer() as server, connect(server.url, token="t", **FAST) as client:
            states = EventRecorder()
            client.on("state", states)
            await (await server.next()).socket.close(4000, "shutting down")
            waiting, connecting, connected = [await states.next() for _ in range(3)]

        assert waiting.state is ConnectionState.WAITING
        assert waiting.previous is ConnectionState.CONNECTED
        assert isinstance(waiting.error, ConnectionLost)
        assert (waiting.error.code, waiting.transport) == (4000, None)
        assert "shutting down" in str(waiting.error)
        assert connecting == StateChanged(ConnectionState.CONNECTING, ConnectionState.WAITING)
        assert connected.state is ConnectionState.CONNECTED
        assert (connected.transport, connected.error) == ("websocket", None)

    @pytest.mark.parametrize("code", [4500, 4501])
    async def test_final_codes_end_the_client(self, code: int) -> None:
        async with peer() as server, connect(server.url, token="t", **FAST) as client:
            connection = await server.next()
            opening = asyncio.create_task(client.document("name"))
            await connection.receive()
            await connection.ok(created=False, document=document(1))
            handle = await opening
            waiting = asyncio.ensure_future(anext(handle.events()))
            pending = asyncio.create_task(handle.set({}))
            await connection.receive()
            await connection.socket.close(code)
            for failing in (waiting, pending, client.document("other")):
                with pytest.raises((ConnectionLost, Unauthorized)) as lost:
                    await failing
                assert not lost.value.retry
            assert client.state is ConnectionState.CLOSED

    @pytest.mark.parametrize("code", [4000, 1012])
    async def test_after_others_it_connects_again(self, code: int) -> None:
        async with peer() as server, connect(server.url, token="t", **FAST):
            await (await server.next()).socket.close(code)
            await server.next()

    async def test_a_document_that_finds_no_room_after_a_break_waits(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with peer() as server, connect(server.url, token="t", **FAST) as client:
            connection = await server.next()
            opening = asyncio.create_task(client.document("name"))
            await connection.receive()
            await connection.ok(created=False, document=document(1))
            recorder = record_events(await opening)
            await connection.socket.close(4000)
            connection = await server.next()
            for _ in range(2):
                await connection.receive()
                await connection.refuse(20503, 503, retry=True)
            await connection.receive()
            await connection.ok(created=False, document=document(2))
            assert (await recorder.next()).data == {"at": 2}
        assert "could not be opened again" not in caplog.text

    async def test_pauses_grow_while_connections_do_not_stand(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ceilings: list[float] = []

        grow = Backoff.pause

        def pause(backoff: Backoff) -> float:
            ceilings.append(backoff.ceiling)
            grow(backoff)
            return 0

        monkeypatch.setattr(Backoff, "pause", pause)
        async with peer() as server, connect(server.url, token="t", backoff_limit=1.5):
            for _ in range(5):
                await (await server.next()).socket.close(4000)
            await server.next()

        assert ceilings[:5] == [0.5, 1, 1.5, 1.5, 1.5]


class TestFallback:
    async def test_rest_takes_over_where_websockets_are_refused(
        self, server: RunningServer, rival: Client
    ) -> None:
        async with Proxy(server) as proxy:
            proxy.websockets = False
            async with connect(proxy.url, token=server.token(), websocket_retry=60) as client:
                assert client.transport == "rest"
                document = await client.document(unique())
                recorder = record_events(document)
                theirs = await rival.document(document.sid)
                await theirs.set({"n": 1})
                assert (await recorder.next()).data == {"n": 1}
                assert await document.increment("/n") == {"n": 2}

    async def test_unless_only_a_websocket_is_wanted(self, server: RunningServer) -> None:
        async with Proxy(server) as proxy:
            proxy.websockets = False
            with pytest.raises(WebSocketBlocked):
                await connect(proxy.url, token=server.token(), transport="websocket", **SOON)

    async def test_it_goes_back_to_a_websocket_when_that_passes(
        self, server: RunningServer, rival: Client
    ) -> None:
        async with Proxy(server) as proxy:
            proxy.websockets = False
            async with connect(proxy.url, token=server.token(), websocket_retry=0.05) as client:
                document = await client.document(data={"n": 0})
                recorder = record_events(document)
                while proxy.upgrades < 3:
                    await document.increment("/n")
                assert client.transport == "rest"
                proxy.websockets = True
                while client.transport == "rest":
                    await document.increment("/n")
                assert client.transport == "websocket"
                written = (await document.increment("/n"))["n"]
                theirs = await rival.document(document.sid)
                await theirs.set({"end": True})
                events = await recorder.until(lambda event: event.data == {"end": True})

        assert [event.data["n"] for event in events[:-1]] == list(range(1, written + 1))
        assert all(event.is_local for event in events[:-1])
        assert not events[-1].is_local

    async def test_a_proxy_that_cuts_after_the_handshake_is_fallen_back_from(self) -> None:
        async with peer(welcome=False) as server:
            connecting = asyncio.ensure_future(
                connect(server.url, token="t", transport="websocket", **SOON)._connect()
            )
            connection = await server.next()
            connection.socket.transport.abort()
            with pytest.raises(WebSocketBlocked):
                await connecting


async def _interrupt(proxy: Proxy, document: Document, *, applied: bool) -> None:
    """Increment, with a break before the reply; or before the request is passed on."""
    if applied:
        await _break_during(proxy, asyncio.ensure_future(document.increment("/n")))
    else:
        proxy.cut()
        await document.increment("/n")


async def _break_during(proxy: Proxy, write: asyncio.Future[T]) -> T:
    """The result of a write whose reply is lost with the connection after it was applied."""
    proxy.stall()
    await proxy.until_stalled()
    proxy.cut()
    proxy.release()
    return await write
