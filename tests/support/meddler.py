"""A proxy that passes a server's WebSocket messages to a function, which may change them."""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from support.server import RunningServer

__all__ = ["Meddle", "meddler"]

Meddle = Callable[[bytes], bytes | None]
"""Takes a message of the server; returns the message for the client, or None to drop it."""

CHUNK = 65_536


@asynccontextmanager
async def meddler(server: RunningServer, meddle: Meddle) -> AsyncIterator[str]:
    """Run a proxy; yield its base URL. Other traffic than WebSocket passes unchanged."""
    meddling = _Meddling(server, meddle)
    listener = await asyncio.start_server(meddling.serve, "127.0.0.1", 0)
    async with listener:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"


class _Meddling:
    """The connection handler of the proxy."""

    def __init__(self, server: RunningServer, meddle: Meddle) -> None:
        self._port = server.port
        self._meddle = meddle

    async def serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        """Serve one client until either side closes the connection."""
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._port)
        ways = [
            asyncio.create_task(_pass(reader, server_writer)),
            asyncio.create_task(self._pass_down(server_reader, writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            server_writer.close()
            writer.close()

    async def _pass_down(self, reader: StreamReader, writer: StreamWriter) -> None:
        head = await reader.read(CHUNK)
        if not head.startswith(b"HTTP/1.1 101"):
            writer.write(head)
            return await _pass(reader, writer)
        head, _, first = head.partition(b"\r\n\r\n")
        writer.write(head + b"\r\n\r\n")
        frames = _Frames(reader, first)
        while True:
            opcode, payload = await frames.next()
            is_data = opcode & 0x0F in (1, 2)
            answer = self._meddle(payload) if is_data else payload
            if answer is not None:
                writer.write(_frame(opcode, answer))
                await writer.drain()


class _Frames:
    """Reader of a server's frames (RFC 6455, section 5.2), which are unmasked and uncompressed."""

    def __init__(self, reader: StreamReader, first: bytes) -> None:
        self._reader = reader
        self._pending = first

    async def next(self) -> tuple[int, bytes]:
        """First byte and payload of the next frame."""
        opcode, size = await self._read(2)
        assert not opcode & 0x40, "compressed"
        if size == 126:
            size = int.from_bytes(await self._read(2))
        elif size == 127:
            size = int.from_bytes(await self._read(8))
        return opcode, await self._read(size)

    async def _read(self, size: int) -> bytes:
        while len(self._pending) < size:
            data = await self._reader.read(CHUNK)
            if not data:
                raise ConnectionError("the server is gone")
            self._pending += data
        taken, self._pending = self._pending[:size], self._pending[size:]
        return taken


async def _pass(reader: StreamReader, writer: StreamWriter) -> None:
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()


def _frame(opcode: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return bytes([opcode, size]) + payload
    if size < 65_536:
        return bytes([opcode, 126]) + size.to_bytes(2) + payload
    return bytes([opcode, 127]) + size.to_bytes(8) + payload
