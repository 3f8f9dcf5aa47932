"""Against a server that says, byte for byte, what a test wants it to say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from websockets.frames import Close, Frame, Opcode

from syncline import ConnectionLost, RequestError
from syncline_tools.benchmark.socket import Place, Socket

SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
WELCOME = b'{"id":1,"ok":{}}'

Say = Callable[[bytes], None]


@asynccontextmanager
async def scripted_server(head: bytes, *pieces: bytes) -> AsyncIterator[Place]:
    """A server that answers a handshake with `head`, and the first request with these pieces."""

    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await send_all(reader, writer)
        finally:
            writer.close()
            ended.set()

    async def send_all(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for piece in (head[:10], head[10:]):
            writer.write(piece)
            await writer.drain()
        await reader.read(1)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        await reader.read()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield Place(f"http://127.0.0.1:{port}", lambda: "token")
        await ended.wait()


def frame(payload: bytes, opcode: Opcode = Opcode.TEXT, *, fin: bool = True) -> bytes:
    return Frame(opcode, payload, fin=fin).serialize(mask=False)


async def first_event(*pieces: bytes) -> bytes:
    message_received: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    async with scripted_server(*pieces) as place:
        socket = await Socket.dial(place, message_received.set_result)
        message = await message_received
        socket.close()
    return message


@pytest.mark.parametrize("size", [10, 200, 70_000])
async def test_an_event_of_any_size_however_it_is_cut(size: int) -> None:
    event = b'{"event":"updated","document":"' + b"x" * size + b'"}'
    whole = frame(WELCOME) + frame(event)
    for piece in (len(whole), len(whole) // 2, 7 + len(whole) // 100):
        pieces = [whole[at : at + piece] for at in range(0, len(whole), piece)]
        assert await first_event(SWITCHING, *pieces) == event


async def test_a_message_in_fragments_around_a_ping() -> None:
    event = b'{"event":"updated","document":{}}'
    pieces = (
        frame(event[:9], fin=False),
        frame(b"", Opcode.PING),
        frame(event[9:], Opcode.CONT),
    )

    assert await first_event(SWITCHING, frame(WELCOME), *pieces) == event


async def test_other_messages_are_thrown_away() -> None:
    event = b'{"event":"updated","document":{}}'
    notice = frame(b'{"event":"token_about_to_expire","expires_in":180}')

    assert await first_event(SWITCHING, frame(WELCOME), notice, frame(event)) == event


async def test_a_refused_request() -> None:
    error = b'{"id":1,"error":{"code":20101,"status":401,"message":"No.","retry":false}}'
    async with scripted_server(SWITCHING, frame(error)) as place:
        with pytest.raises(RequestError) as refusal:
            await Socket.dial(place, lambda message: None)

    assert refusal.value.code == 20101


@pytest.mark.parametrize(("status", "retry"), [("429", True), ("503", True), ("404", False)])
async def test_a_refused_handshake(status: str, retry: bool) -> None:
    async with scripted_server(f"HTTP/1.1 {status} No\r\n\r\n".encode()) as place:
        with pytest.raises(ConnectionLost, match=f"HTTP {status}") as lost:
            await Socket.dial(place, lambda message: None)

    assert lost.value.retry is retry


async def test_a_close_ends_what_waits_and_what_comes_after() -> None:
    close = Close(4000, "shutting down").serialize()
    async with scripted_server(SWITCHING, frame(WELCOME), frame(close, Opcode.CLOSE)) as place:
        socket = await Socket.dial(place, lambda message: None)
        with pytest.raises(ConnectionLost, match="4000 shutting down"):
            await socket.send_request({"do": "ping"})
        with pytest.raises(ConnectionLost, match="4000 shutting down"):
            await socket.send_request({"do": "ping"})


async def test_a_server_that_ends_in_the_handshake() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ConnectionLost):
            await Socket.dial(Place(f"http://127.0.0.1:{port}", str), lambda message: None)
