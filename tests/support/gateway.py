"""A gateway that serves a server under a path prefix, and whose connections can die silently."""

from __future__ import annotations

import asyncio
import re
from asyncio import StreamReader, StreamWriter
from types import TracebackType
from typing import Self

from support.server import RunningServer

__all__ = ["Gateway"]

CHUNK = 65_536


class Gateway:
    """Used as `async with Gateway(server) as gateway`; the end cuts what is left.

    Attributes:
        url: the base URL to give to a client, prefix included.
        prefix: what is taken away from each path; other paths are 404.
    """

    def __init__(self, server: RunningServer, prefix: str = "") -> None:
        self.url = ""
        self.prefix = prefix
        self._port = server.port
        self._writers: set[StreamWriter] = set()
        self._frozen: set[StreamWriter] = set()
        self._listener: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._listener.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}{self.prefix}"
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._listener is not None
        self._listener.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await self._listener.wait_closed()

    def freeze(self) -> None:
        """Drop from now on what comes on the connections that there are; they stay open."""
        self._frozen |= self._writers

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        self._writers.add(writer)
        try:
            await self._connect(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # one of the sides left
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _connect(self, reader: StreamReader, writer: StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, path, rest = head.split(b" ", 2)
        if not path.startswith(self.prefix.encode()):
            writer.write(
                b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
            return await writer.drain()
        if b"upgrade: websocket" not in head.lower():
            # One request a connection: the path of a second one would pass unread.
            rest = re.sub(rb"(?i)\r\nconnection: [^\r]*", b"\r\nConnection: close", rest)
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._port)
        server_writer.write(b" ".join((method, path.removeprefix(self.prefix.encode()), rest)))
        ways = {
            asyncio.create_task(self._pass(reader, server_writer, writer)),
            asyncio.create_task(self._pass(server_reader, writer, writer)),
        }
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            server_writer.close()

    async def _pass(self, source: StreamReader, sink: StreamWriter, client: StreamWriter) -> None:
        while data := await source.read(CHUNK):
            if client not in self._frozen:
                sink.write(data)
                await sink.drain()
