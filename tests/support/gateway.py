"""A gateway between client and server, with the faults that real gateways show."""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from support.server import RunningServer
from support.socket import WAIT

__all__ = ["Gateway", "page"]

CHUNK = 65_536


def page(status: str, body: str = "<html>", *headers: str) -> bytes:
    """A reply of a gateway: an HTML page, unless `headers` set another Content-Type."""
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    if not any(header.lower().startswith("content-type") for header in headers):
        head.append("Content-Type: text/html")
    return ("\r\n".join(head) + "\r\n\r\n" + body).encode()


class Gateway:
    """A gateway in front of a server; it is also a forward proxy.

    Used as `async with Gateway(server) as gateway`; leaving the block cuts all connections.

    Attributes:
        url: base URL for a client, prefix included; also the URL of the forward proxy.
        prefix: path that is removed before a request is passed on; other paths get 404.
        reply: reply to the first request of each new connection, instead of the server's. A
            function is called with the head of the request. None passes the connection on.
        keeps_alive: False closes the connection after each request, so that `heads` shows all.
        swallows_upgrades: True reads a WebSocket upgrade and never answers it.
        cut_after: seconds after which each connection is cut; None never cuts.
        heads: head of the first request of every connection.
    """

    def __init__(self, server: RunningServer, prefix: str = "") -> None:
        self.url = ""
        self.prefix = prefix
        self.reply: bytes | Callable[[str], bytes | None] | None = None
        self.keeps_alive = False
        self.swallows_upgrades = False
        self.cut_after: float | None = None
        self.heads: list[str] = []
        self._port = server.port
        self._came = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()
        self._passing = object()
        self._listener: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
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
        await self.cut()
        await self._listener.wait_closed()

    async def cut(self) -> None:
        """Break every connection at once."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def freeze(self) -> None:
        """Stop passing bytes on all current connections, but keep them open."""
        self._passing = object()

    async def came(self, number: int, wanted: str = "") -> None:
        """Return when `number` requests with `wanted` in their heads have arrived."""
        async with asyncio.timeout(WAIT), self._came:
            await self._came.wait_for(lambda: sum(wanted in head for head in self.heads) >= number)

    async def _accept(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            await asyncio.wait({task})
        finally:
            writer.transport.abort()

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        try:
            async with asyncio.timeout(self.cut_after):
                await self._answer(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # the other side left, or `cut_after` passed: TimeoutError is an OSError

    async def _answer(self, reader: StreamReader, writer: StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        async with self._came:
            self.heads.append(head)
            self._came.notify_all()
        if self.swallows_upgrades and "upgrade: websocket" in head.lower():
            await asyncio.Event().wait()
        reply = self.reply(head) if callable(self.reply) else self.reply
        if self.prefix and not head.split(" ", 2)[1].startswith(self.prefix):
            reply = page("404 Not Found")
        if reply is not None:
            writer.write(reply)
            await writer.drain()
            return writer.close()
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            if head.startswith("CONNECT "):
                writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            else:
                server_writer.write(self._rewritten(head).encode("latin-1"))
            await self._pass_both_ways((reader, server_writer), (server_reader, writer))
        finally:
            server_writer.transport.abort()

    def _rewritten(self, head: str) -> str:
        method, target, rest = head.split(" ", 2)
        if target.startswith("http://"):
            parts = urlsplit(target)
            target = parts.path + (f"?{parts.query}" if parts.query else "")
        if not self.keeps_alive and "upgrade: websocket" not in head.lower():
            rest = rest.replace("\r\n", "\r\nConnection: close\r\n", 1)
            rest = rest.replace("Connection: keep-alive\r\n", "")
        return f"{method} {target.removeprefix(self.prefix)} {rest}"

    async def _pass_both_ways(self, *ways: tuple[StreamReader, StreamWriter]) -> None:
        passing = self._passing
        tasks = [asyncio.create_task(self._pass(*way, passing)) for way in ways]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _pass(self, source: StreamReader, sink: StreamWriter, passing: object) -> None:
        while data := await source.read(CHUNK):
            if passing is not self._passing:
                await asyncio.Event().wait()  # frozen: wait until the connection is cut
            sink.write(data)
            await sink.drain()
        if passing is not self._passing:
            await asyncio.Event().wait()
