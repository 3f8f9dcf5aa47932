"""A proxy in front of a server, with the faults that networks and real gateways show."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from support.relay import Relay, Stream
from support.server import RunningServer
from support.socket import WAIT

__all__ = ["Proxy", "SocksProxy", "page"]

_UPGRADE = "upgrade: websocket"


def page(status: str, body: str = "<html>", *headers: str) -> bytes:
    """A reply of a gateway: an HTML page, unless `headers` set another Content-Type."""
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    if not any(header.lower().startswith("content-type") for header in headers):
        head.append("Content-Type: text/html")
    return ("\r\n".join(head) + "\r\n\r\n" + body).encode()


class Proxy(Relay):
    """An HTTP proxy in front of a server; it is also a forward proxy.

    Attributes:
        url: base URL for a client, prefix included; also the URL of the forward proxy.
        prefix: path that is removed before a request is passed on; other paths get 404.
        reply: reply to the first request of each new connection, instead of the server's. A
            function is called with the head of the request. None passes the connection on.
        keeps_alive: False closes the connection after each request, so that `heads` shows all.
        websockets: False answers upgrades with 403.
        swallows_upgrades: True reads a WebSocket upgrade and never answers it.
        reachable: False cuts each new connection at once.
        cut_after: seconds after which each connection is cut; None never cuts.
        heads: head of the first request of every connection.
    """

    def __init__(
        self, server: RunningServer | None, prefix: str = "", *, keeps_alive: bool = True
    ) -> None:
        """`server`: None if the test calls `aim` before the first connection."""
        super().__init__(0 if server is None else server.port)
        self.url = ""
        self.prefix = prefix
        self.reply: bytes | Callable[[str], bytes | None] | None = None
        self.keeps_alive = keeps_alive
        self.websockets = True
        self.swallows_upgrades = False
        self.reachable = True
        self.cut_after: float | None = None
        self.heads: list[str] = []
        self._arrived = asyncio.Condition()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._stalled = asyncio.Event()

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self.url = f"http://127.0.0.1:{self.port}{self.prefix}"
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()
        await super().__aexit__(exc_type, exc_value, traceback)

    @property
    def upgrades(self) -> int:
        """Number of WebSocket upgrades so far, refused ones included."""
        return sum(_UPGRADE in head.lower() for head in self.heads)

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

    async def came(self, number: int, wanted: str = "") -> None:
        """Return when `number` requests with `wanted` in their heads have arrived."""
        async with asyncio.timeout(WAIT), self._arrived:
            await self._arrived.wait_for(
                lambda: sum(wanted in head for head in self.heads) >= number
            )

    async def serve(self, client: Stream) -> None:
        """Answer or pass on the first request of a connection, and pass on what follows."""
        if self.reachable:
            async with asyncio.timeout(self.cut_after):
                await self._answer(client)

    async def on_reply(self, data: bytes) -> bytes:
        """Keep back the bytes of the server while `stall` applies."""
        if not self._flowing.is_set():
            self._stalled.set()
            await self._flowing.wait()
        return data

    async def _answer(self, client: Stream) -> None:
        reader, writer = client
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        async with self._arrived:
            self.heads.append(head)
            self._arrived.notify_all()
        if self.swallows_upgrades and _UPGRADE in head.lower():
            await asyncio.Event().wait()
        reply = self._reply(head)
        if reply is not None:
            writer.write(reply)
            await writer.drain()
            return
        server = await self.connect()
        if head.startswith("CONNECT "):
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        else:
            server[1].write(self._rewritten(head).encode("latin-1"))
        await self.join(client, server)

    def _reply(self, head: str) -> bytes | None:
        if self.prefix and not head.split(" ", 2)[1].startswith(self.prefix):
            return page("404 Not Found")
        if not self.websockets and _UPGRADE in head.lower():
            return page("403 Forbidden")
        return self.reply(head) if callable(self.reply) else self.reply

    def _rewritten(self, head: str) -> str:
        method, target, rest = head.split(" ", 2)
        if target.startswith("http://"):
            parts = urlsplit(target)
            target = parts.path + (f"?{parts.query}" if parts.query else "")
        if not self.keeps_alive and _UPGRADE not in head.lower():
            rest = rest.replace("\r\n", "\r\nConnection: close\r\n", 1)
            rest = rest.replace("Connection: keep-alive\r\n", "")
        return f"{method} {target.removeprefix(self.prefix)} {rest}"


class SocksProxy(Relay):
    """A SOCKS5 proxy (RFC 1928) that connects every client to one server.

    Attributes:
        hosts: each requested host.
    """

    def __init__(self, server: RunningServer) -> None:
        super().__init__(server.port)
        self.hosts: list[str] = []

    async def serve(self, client: Stream) -> None:
        """Accept any client, and connect it."""
        reader, writer = client
        _, methods = await reader.readexactly(2)
        await reader.readexactly(methods)
        writer.write(b"\x05\x00")
        kind = (await reader.readexactly(4))[3]
        if kind == 3:
            host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        else:
            host = ".".join(map(str, await reader.readexactly(4)))
        await reader.readexactly(2)
        self.hosts.append(host)
        writer.write(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
        await super().serve(client)
