from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import cast

import orjson
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from uvicorn.server import ServerState

from support.limits import WAIT_LIMIT
from syncline_server.http.protocol import Limits, http_protocol
from syncline_server.observability.audit import Audit
from syncline_server.observability.metrics import Meters

URL_LIMIT = 200
HEAD_LIMIT = 1000
LIMITS = Limits(
    url=URL_LIMIT,
    head=HEAD_LIMIT,
    connections=100,
    header_timeout=30,
    body_timeout=30,
    reader_timeout=30,
)

MakeProtocol = Callable[[], asyncio.Protocol]

Exchange = Callable[..., Awaitable[bytes]]
"""Sends bytes, one write for each, and returns all that comes until the server closes."""


async def count(request: Request) -> Response:
    return Response(str(len(await request.body())))


async def name_headers(request: Request) -> Response:
    """The whole body is read first, and what follows it with it."""
    await request.body()
    return Response(" ".join(sorted(request.headers)))


class Endless:
    """A reply without end; `ended` is set once its client is known to have left."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()

    async def reply(self, _request: Request) -> Response:
        return StreamingResponse(self._chunks())

    async def _chunks(self) -> AsyncIterator[bytes]:
        try:
            yield b"begun"
            await asyncio.Event().wait()
        finally:
            self.ended.set()


class Socket(asyncio.Protocol):
    """Sends back what it is given."""

    def __init__(self, *, config: object, server_state: object, app_state: object) -> None:
        pass

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def open(
        self, method: str, url: bytes, version: str, headers: list[tuple[bytes, bytes]]
    ) -> None:
        named = [name + b"=" + value for name, value in headers if name != b"host"]
        self.transport.write(b" ".join([method.encode(), url, version.encode(), *named]))
        self.transport.close()


class Recorder(asyncio.Transport):
    """A transport to nowhere."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self._closing = False

    def write(self, data: bytes | bytearray | memoryview[int]) -> None:
        self.written += data

    def close(self) -> None:
        self._closing = True

    def is_closing(self) -> bool:
        return self._closing


@pytest.fixture
async def endless() -> Endless:
    return Endless()


@pytest.fixture
async def make_protocol(endless: Endless) -> MakeProtocol:
    answer = Route("/headers", name_headers, methods=["POST"])
    stream = Route("/endless", endless.reply)
    app = Starlette(routes=[Route("/", count, methods=["GET", "POST"]), answer, stream])
    timer = asyncio.get_running_loop().call_later
    protocol = http_protocol(LIMITS, timer, Meters(), Audit(100, Counter()))
    config = uvicorn.Config(app, lifespan="off", log_config=None, ws=Socket)
    config.load()
    return partial(protocol, config=config, server_state=ServerState(), app_state={})


@pytest.fixture
async def port(make_protocol: MakeProtocol) -> AsyncIterator[int]:
    server = await asyncio.get_running_loop().create_server(make_protocol, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.fixture
async def exchange(port: int) -> Exchange:
    async def exchange(*chunks: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            for chunk in chunks:
                writer.write(chunk)
                await writer.drain()
            return await reader.read()
        finally:
            writer.close()

    return exchange


def refusal(reply: bytes) -> tuple[int, int]:
    """Status and code of an error reply, which must be complete."""
    head, _, body = reply.partition(b"\r\n\r\n")
    assert re.search(rb"\r\nX-Request-Id: RQ[0-9a-f]{32}\r\n", head)
    assert b"\r\ncontent-type: application/json\r\n" in head
    assert b"\r\nconnection: close" in head
    parsed = orjson.loads(body)
    assert head.startswith(b"HTTP/1.1 %d " % parsed["status"])
    return parsed["status"], parsed["code"]


def get(url: bytes = b"/", *headers: bytes) -> bytes:
    lines = [b"GET " + url + b" HTTP/1.1", b"Host: h", b"Connection: close", *headers, b"", b""]
    return b"\r\n".join(lines)


async def test_what_is_within_the_limits_passes(exchange: Exchange) -> None:
    reply = await exchange(get(b"/?" + b"x" * (URL_LIMIT - 2), b"A: " + b"x" * 700))
    assert reply.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "request_", [b"nonsense\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\nA\r\n\r\n"]
)
async def test_what_is_no_http_is_answered_in_json(exchange: Exchange, request_: bytes) -> None:
    assert refusal(await exchange(request_)) == (400, 20400)


async def test_a_url_that_is_too_long(exchange: Exchange) -> None:
    assert refusal(await exchange(get(b"/" + b"x" * URL_LIMIT))) == (414, 20414)


async def test_a_url_that_never_ends(exchange: Exchange) -> None:
    assert refusal(await exchange(b"GET /", *[b"x" * 50] * 5)) == (414, 20414)


async def test_headers_that_are_too_large_together(exchange: Exchange) -> None:
    assert refusal(await exchange(get(b"/", *[b"A: " + b"x" * 100] * 10))) == (431, 20431)


async def test_one_header_that_is_too_large(exchange: Exchange) -> None:
    assert refusal(await exchange(get(b"/", b"A: " + b"x" * HEAD_LIMIT))) == (431, 20431)


# What the parser keeps back until it is complete: a header, one of a trailer, a chunk's extension.
CHUNKED = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "begun", [get(b"/", b"A: x")[:-4], CHUNKED + b"0\r\nA: ", CHUNKED + b"1;a="]
)
async def test_what_never_ends(make_protocol: MakeProtocol, begun: bytes) -> None:
    # By hand, because how a network divides bytes into reads is not for a test to say.
    protocol, transport = make_protocol(), Recorder()
    protocol.connection_made(transport)
    protocol.data_received(begun)
    protocol.data_received(b"x" * HEAD_LIMIT)
    assert not transport.is_closing()
    protocol.data_received(b"x")
    assert transport.is_closing()
    assert refusal(transport.written) == (431, 20431)
    protocol.connection_lost(None)


async def test_bodies_count_for_nothing(exchange: Exchange) -> None:
    size = 10 * HEAD_LIMIT
    head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % size
    reply = await exchange(head, *[b"x" * HEAD_LIMIT] * 10, head, b"x" * size + get())
    assert reply.count(b"HTTP/1.1 200 ") == 3
    assert reply.count(b"\r\n\r\n%d" % size) == 2


async def test_each_request_of_a_connection_is_counted_again(exchange: Exchange) -> None:
    padding = b"A: " + b"x" * 600
    kept = get(b"/", padding).replace(b"close", b"keep-alive")
    reply = await exchange(kept, kept, get(b"/", padding))
    assert reply.count(b"HTTP/1.1 200 ") == 3


async def test_a_socket_gets_the_connection_and_the_request(exchange: Exchange) -> None:
    upgrade = [b"Connection: Upgrade", b"Upgrade: websocket", b"X-Odd: \xff"]
    answer = await exchange(get(b"/ws?a=%2F", *upgrade))
    headers = b"connection=close connection=Upgrade upgrade=websocket x-odd=\xff"
    assert answer == b"GET /ws?a=%2F 1.1 " + headers


async def test_no_socket_opens_before_the_replies_to_come(exchange: Exchange) -> None:
    first = get().replace(b"close", b"keep-alive")
    upgrade = [b"Connection: Upgrade", b"Upgrade: websocket"]
    answer = await exchange(first + get(b"/ws", *upgrade))
    assert re.findall(rb"HTTP/1.1 (\d+)", answer) == [b"200", b"404"]


async def test_a_trailer_is_no_part_of_the_head(exchange: Exchange) -> None:
    head = b"POST /headers HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nConnection: close"
    answer = await exchange(head + b"\r\n\r\n1\r\nx\r\n0\r\nAuthorization: x\r\n\r\n")
    assert answer.endswith(b"\r\n\r\nconnection host transfer-encoding")


async def test_the_handshake_of_a_websocket_is_bounded_too(exchange: Exchange) -> None:
    upgrade = [b"Connection: Upgrade", b"Upgrade: websocket", b"A: " + b"x" * HEAD_LIMIT]
    assert refusal(await exchange(get(b"/ws", *upgrade))) == (431, 20431)


async def test_a_reply_ends_when_its_client_leaves_with_another_request_waiting(
    port: int, endless: Endless
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /endless HTTP/1.1\r\nHost: h\r\n\r\n" + get())
    await reader.readuntil(b"begun")
    writer.close()

    async with asyncio.timeout(WAIT_LIMIT):
        await endless.ended.wait()
