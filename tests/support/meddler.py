"""A proxy that passes a server's WebSocket messages to a function, which may change them."""

from __future__ import annotations

import asyncio
from asyncio import StreamReader
from collections.abc import Callable

from support.relay import Relay, Stream
from support.server import RunningServer

__all__ = ["Meddle", "Meddler"]

Meddle = Callable[[bytes], bytes | None]
"""Takes a message of the server; returns the message for the client, or None to drop it."""

CHUNK = 65_536


class Meddler(Relay):
    """Other traffic than WebSocket passes unchanged."""

    def __init__(self, server: RunningServer, meddle: Meddle) -> None:
        super().__init__(server.port)
        self._meddle = meddle

    @property
    def url(self) -> str:
        """Base URL for a client."""
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, client: Stream) -> None:
        """Join a client with the server, through a reader that holds the changed messages."""
        reader, writer = await self.connect()
        changed = StreamReader()
        changing = asyncio.create_task(self._change(reader, changed))
        try:
            await self.join(client, (changed, writer))
        finally:
            changing.cancel()
            await asyncio.gather(changing, return_exceptions=True)

    async def _change(self, reader: StreamReader, changed: StreamReader) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            changed.feed_data(head)
            if head.startswith(b"HTTP/1.1 101"):
                await self._change_messages(reader, changed)
            while data := await reader.read(CHUNK):
                changed.feed_data(data)
        except (OSError, asyncio.IncompleteReadError):
            pass  # the server has closed the connection
        finally:
            changed.feed_eof()

    async def _change_messages(self, reader: StreamReader, changed: StreamReader) -> None:
        while True:
            opcode, payload = await _read_frame(reader)
            is_data = opcode & 0x0F in (1, 2)
            answer = self._meddle(payload) if is_data else payload
            if answer is not None:
                changed.feed_data(_frame(opcode, answer))


async def _read_frame(reader: StreamReader) -> tuple[int, bytes]:
    """First byte and payload of a server's frame (RFC 6455, section 5.2): it is not masked."""
    opcode, size = await reader.readexactly(2)
    assert not opcode & 0x40, "compressed"
    if size == 126:
        size = int.from_bytes(await reader.readexactly(2))
    elif size == 127:
        size = int.from_bytes(await reader.readexactly(8))
    return opcode, await reader.readexactly(size)


def _frame(opcode: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return bytes([opcode, size]) + payload
    if size < 65_536:
        return bytes([opcode, 126]) + size.to_bytes(2) + payload
    return bytes([opcode, 127]) + size.to_bytes(8) + payload
