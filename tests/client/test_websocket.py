from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NoReturn, cast

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosedError
from websockets.http11 import Request, Response

from support.limits import WAIT_LIMIT
from support.peer import Peer, PeerConnection, peer
from support.proxy import Proxy
from support.server import RunningServer
from syncline import ClientClosed, ConnectionLost, RequestError, TooLarge, WebSocketBlocked
from syncline.transport import EventHandler, Interrupted
from syncline.websocket import WebSocketTransport

TIMEOUT = WAIT_LIMIT
"""Seconds for one attempt to connect."""


def ignore(_: object) -> None:
    """Takes an event."""


@asynccontextmanager
async def connected(
    server: Peer, on_event: EventHandler = ignore
) -> AsyncIterator[tuple[WebSocketTransport, PeerConnection]]:
    """A transport, and what the peer has of it."""
    transport = await WebSocketTransport.open(socket_url(server.url), "t", TIMEOUT, on_event)
    try:
        yield transport, await server.next()
    finally:
        await transport.close()


def socket_url(url: str) -> str:
    return f"{url.replace('http', 'ws', 1)}/v1/ws"


def ask(transport: WebSocketTransport, **members: Any) -> asyncio.Task[Any]:
    """Ask for the `ok` itself."""
    return asyncio.create_task(transport.request({"do": "get", **members}, lambda ok: ok))


class TestRequests:
    async def test_replies_find_their_requests_in_any_order(self) -> None:
        async with peer() as server, connected(server) as (transport, connection):
            asked = [ask(transport, document=name) for name in ("a", "b", "c")]
            received = [await connection.socket.recv(decode=True) for _ in asked]
            assert [text[:6] for text in received] == ['{"id":'] * 3
            ids = [int(text[6 : text.index(",")]) for text in received]
            for request_id in reversed(ids):
                await connection.send(id=request_id, ok={"for": request_id})

            assert [(await each)["for"] for each in asked] == ids

    async def test_a_refusal_is_raised(self) -> None:
        async with peer() as server, connected(server) as (transport, connection):
            asked = ask(transport)
            await connection.receive()
            await connection.refuse(20503, 503, retry=True)
            with pytest.raises(RequestError) as refused:
                await asked
        assert (refused.value.code, refused.value.retry) == (20503, True)

    async def test_the_reply_is_taken_before_the_events_after_it(self) -> None:
        taken: list[Any] = []

        async with (
            peer() as server,
            connected(server, taken.append) as (transport, connection),
        ):
            asked = asyncio.create_task(transport.request({"do": "open"}, taken.append))
            await connection.receive()
            await connection.send(event="early")
            await connection.ok(reply=1)
            await connection.send(event="late")
            await asked
            while len(taken) < 3:
                await asyncio.sleep(0)

        assert taken == [{"event": "early"}, {"reply": 1}, {"event": "late"}]

    async def test_a_reply_that_nobody_waits_for_is_dropped(self) -> None:
        async with peer() as server, connected(server) as (transport, connection):
            given_up = ask(transport)
            await connection.receive()
            given_up.cancel()
            await connection.ok(first=True)
            await connection.send(id=12345, ok={})
            asked = ask(transport)
            await connection.receive()
            await connection.ok(second=True)

            assert await asked == {"second": True}

    async def test_a_reply_between_the_cancellation_and_the_next_turn_is_late(self) -> None:
        late: list[Any] = []
        async with peer() as server, connected(server) as (transport, connection):
            request = {"do": "open"}
            asked = asyncio.create_task(transport.request(request, late.append, late.append))
            await connection.receive()
            (request_id,) = transport._pending
            asked.cancel()
            transport._receive({"id": request_id, "ok": {"reply": 1}})
            with pytest.raises(asyncio.CancelledError):
                await asked

            assert late == [{"reply": 1}]
            assert not transport._pending  # else the idle connection would be probed

    @pytest.mark.parametrize("has_late", [True, False])
    async def test_a_refusal_then_leaves_nothing(self, has_late: bool) -> None:
        async with peer() as server, connected(server) as (transport, connection):
            late = ignore if has_late else None
            asked = asyncio.create_task(transport.request({"do": "open"}, lambda ok: ok, late))
            await connection.receive()
            (request_id,) = transport._pending
            asked.cancel()
            transport._receive({"id": request_id, "error": {}})
            with pytest.raises(asyncio.CancelledError):
                await asked

            assert not transport._pending

    async def test_one_that_would_end_the_connection_is_not_sent(self) -> None:
        async with peer(welcome=False) as server:
            opening = asyncio.create_task(
                WebSocketTransport.open(socket_url(server.url), "t", TIMEOUT, ignore)
            )
            connection = await server.next()
            await connection.receive()
            await connection.ok(data_limit=64, message_limit=100)
            transport = await opening
            with pytest.raises(TooLarge):
                await ask(transport, document="x" * 100)
            asked = ask(transport)
            assert await connection.receive() == {"do": "get"}
            await connection.ok()
            await asked
            assert transport.limits.data == 64
            await transport.close()


class TestEnd:
    async def test_what_is_under_way_is_interrupted(self) -> None:
        async with peer() as server, connected(server) as (transport, connection):
            asked = [ask(transport) for _ in range(3)]
            await connection.receive()
            await connection.socket.close(4000)
            for each in asked:
                with pytest.raises(Interrupted):
                    await each
            assert isinstance(await transport.ended, ConnectionLost)
            with pytest.raises(Interrupted):
                await ask(transport)

    async def test_whoever_is_interrupted_finds_it_ended(self, server: RunningServer) -> None:
        """Else a request that is made again at once would always go to the same transport."""

        async def ask_until_interrupted() -> None:
            with pytest.raises(Interrupted):
                while True:
                    await transport.request({"do": "ping"}, lambda ok: ok)
            assert transport.ended.done()

        async with Proxy(server) as proxy:
            for _ in range(5):
                transport = await WebSocketTransport.open(
                    socket_url(proxy.url), server.token(), TIMEOUT, ignore
                )
                asking = [asyncio.create_task(ask_until_interrupted()) for _ in range(20)]
                await transport.request({"do": "ping"}, lambda ok: ok)
                proxy.cut()
                await asyncio.gather(*asking)
                await transport.close()

    async def test_closing_interrupts_and_can_be_repeated(self) -> None:
        async with peer() as server, connected(server) as (transport, connection):
            asked = ask(transport)
            await connection.receive()
            await transport.close()
            await transport.close()
            with pytest.raises(Interrupted):
                await asked
            assert isinstance(transport.ended.result(), ClientClosed)
            await connection.socket.wait_closed()

    @pytest.mark.parametrize(
        "message", ["[]", "5", "{", '{"id":[]}', '{"id":1}', '{"id":2,"error":{}}', b"\xff"]
    )
    async def test_a_peer_that_speaks_something_else_is_left(self, message: str | bytes) -> None:
        def take(event: Any) -> None:
            assert event.get("event")

        async with peer() as server, connected(server, take) as (transport, connection):
            asked = ask(transport)
            await connection.receive()
            await connection.socket.send(message)
            if message == '{"id":1}':
                await connection.send(id=2)  # to the request that waits
            with pytest.raises(Interrupted):
                await asked
            reason = await transport.ended
            await connection.socket.wait_closed()

        assert isinstance(reason, ConnectionLost)
        assert reason.retry
        assert connection.socket.close_code == 1002


class LostSocket:
    """A connection that is lost, which the reader notices a moment after the writer."""

    async def send(self, message: bytes, text: bool) -> NoReturn:
        raise ConnectionClosedError(None, None)

    async def recv(self, decode: bool) -> NoReturn:
        await asyncio.sleep(0)
        raise ConnectionClosedError(None, None)


async def test_a_request_on_a_lost_connection_fails_no_sooner_than_the_transport() -> None:
    transport = WebSocketTransport(cast(ClientConnection, LostSocket()), ignore)

    with pytest.raises(Interrupted):
        await ask(transport)

    # Else a client that repeats it takes the same transport again, and nobody else has a turn.
    assert transport.ended.done()


class TestHandshake:
    async def test_the_token_follows_no_redirect(self) -> None:
        async with peer(welcome=False) as elsewhere:

            def redirect(connection: ServerConnection, _: Request) -> Response:
                response = connection.respond(302, "")
                response.headers["Location"] = socket_url(elsewhere.url)
                return response

            async def handle(connection: ServerConnection) -> None:
                raise AssertionError

            async with serve(handle, "127.0.0.1", 0, process_request=redirect) as server:
                port = server.sockets[0].getsockname()[1]
                with pytest.raises(WebSocketBlocked):
                    await WebSocketTransport.open(f"ws://127.0.0.1:{port}", "t", TIMEOUT, ignore)

    @pytest.mark.parametrize("status", [429, 503])
    async def test_a_client_that_must_retry_is_not_blocked(self, status: int) -> None:
        def refuse(connection: ServerConnection, _: Request) -> Response:
            response = connection.respond(status, "")
            response.headers["Retry-After"] = "1"
            return response

        async def handle(connection: ServerConnection) -> None:
            raise AssertionError

        async with serve(handle, "127.0.0.1", 0, process_request=refuse) as server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(ConnectionLost, match=str(status)) as caught:
                await WebSocketTransport.open(f"ws://127.0.0.1:{port}", "t", TIMEOUT, ignore)
        assert not isinstance(caught.value, WebSocketBlocked)

    async def test_another_sub_protocol_is_none_of_ours(self) -> None:
        async def handle(connection: ServerConnection) -> None:
            await connection.wait_closed()

        async with serve(handle, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(WebSocketBlocked, match="syncline.v1"):
                await WebSocketTransport.open(f"ws://127.0.0.1:{port}", "t", TIMEOUT, ignore)

    @pytest.mark.parametrize(("code", "is_blocked"), [(1000, True), (1011, True), (4000, False)])
    async def test_a_close_code_of_a_gateway_before_the_reply_to_the_token_means_blocked(
        self, code: int, is_blocked: bool
    ) -> None:
        async with peer(welcome=False) as server:
            opening = asyncio.create_task(
                WebSocketTransport.open(socket_url(server.url), "t", TIMEOUT, ignore)
            )
            connection = await server.next()
            await connection.receive()
            await connection.socket.close(code)
            with pytest.raises(ConnectionLost) as lost:
                await opening
        assert isinstance(lost.value, WebSocketBlocked) is is_blocked

    async def test_a_peer_that_does_not_take_the_token_in_time_is_left(self) -> None:
        async with peer(welcome=False) as server:
            with pytest.raises(WebSocketBlocked, match="within 0.05 s"):
                await WebSocketTransport.open(socket_url(server.url), "t", 0.05, ignore)
            await (await server.next()).socket.wait_closed()
