"""A TCP proxy in front of a server, with which a test simulates network faults."""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter
from types import TracebackType
from typing import Self

from support.server import RunningServer

__all__ = ["Proxy"]

CHUNK = 65_536


class Proxy:
    """Passes bytes in both directions until a test calls `cut` or `stall`.

    Used as `async with Proxy(server) as proxy`; leaving the block cuts all connections.

    Attributes:
        url: base URL for a client.
        websockets: False answers upgrades with 403, like a proxy without WebSocket support.
        reachable: False cuts each new connection at once.
        upgrades: number of WebSocket upgrades so far, refused ones included.
    """

    def __init__(self, server: RunningServer) -> None:
        self.url = ""
        self.websockets = True
        self.reachable = True
        self.upgrades = 0
        self._port = server.port
        self._writers: set[StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._stalled = asyncio.Event()
        self._listener: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._listener.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._listener is not None
        self._listener.close()
        self.release()
        self.cut()
        await self._listener.wait_closed()

    def cut(self) -> None:
        """Break every connection at once; bytes that `stall` kept back are lost."""
        for writer in list(self._writers):
            writer.transport.abort()
        self._writers.clear()

    def stall(self) -> None:
        """Keep back all bytes that the server sends from now on."""
        self._stalled.clear()
        self._flowing.clear()

    async def until_stalled(self) -> None:
        """Return when bytes of the server are kept back, which shows that the server has acted."""
        await self._stalled.wait()

    def release(self) -> None:
        """Pass on the bytes that were kept back, and all that follow."""
        self._flowing.set()

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        self._writers.add(writer)
        try:
            if self.reachable:
                await self._connect(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the other side left, or `cut` was called
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _connect(self, reader: StreamReader, writer: StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if b"upgrade: websocket" in head.lower():
            self.upgrades += 1
            if not self.websockets:
                writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
                return await writer.drain()
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers.add(server_writer)
        server_writer.write(head)
        try:
            await self._pass_both_ways(reader, writer, server_reader, server_writer)
        finally:
            self._writers.discard(server_writer)
            server_writer.close()

    async def _pass_both_ways(
        self,
        reader: StreamReader,
        writer: StreamWriter,
        server_reader: StreamReader,
        server_writer: StreamWriter,
    ) -> None:
        ways = {
            asyncio.create_task(self._pass(reader, server_writer, from_server=False)),
            asyncio.create_task(self._pass(server_reader, writer, from_server=True)),
        }
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _pass(self, source: StreamReader, sink: StreamWriter, *, from_server: bool) -> None:
        while data := await source.read(CHUNK):
            if from_server and not self._flowing.is_set():
                self._stalled.set()
                await self._flowing.wait()
            sink.write(data)
            await sink.drain()
