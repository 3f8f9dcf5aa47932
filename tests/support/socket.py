"""A raw client of the native protocol, with which a test sees each message in order."""

from __future__ import annotations

import asyncio
import itertools
import socket as sockets
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode
from websockets.typing import Subprotocol

from support.limits import WAIT_LIMIT as WAIT
from support.server import RunningServer
from syncline_protocol.native import SUBPROTOCOL

__all__ = ["WAIT", "NativeSocket", "native_socket", "slow_socket", "websocket_url"]

Message = dict[str, Any]


class NativeSocket:
    """One connection; it sends and reads only when the test calls a method.

    Attributes:
        connection: the WebSocket.
        welcome: the `ok` of the reply to the first `auth`; empty before.
    """

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.welcome: Message = {}
        self._ids = itertools.count(1)
        self._events: deque[Message] = deque()
        self._replies: dict[int, Message] = {}
        self._reading = asyncio.Lock()

    async def send(self, do: str, **members: Any) -> int:
        """Send a request, and return its id."""
        request_id = next(self._ids)
        await self.connection.send(orjson.dumps({"id": request_id, "do": do, **members}), text=True)
        return request_id

    async def receive(self) -> Message:
        """Read the next message, of any kind."""
        async with asyncio.timeout(WAIT):
            message: Message = orjson.loads(await self.connection.recv())
        return message

    async def reply(self, request_id: int) -> Message:
        """The reply with this id; events that arrive before it are kept for `event`."""
        await self._read_until(lambda: request_id in self._replies)
        return self._replies.pop(request_id)

    async def event(self) -> Message:
        """The next event or notice."""
        await self._read_until(lambda: self._events)
        return self._events.popleft()

    async def updates(self, revision: str) -> list[str]:
        """Revisions of the next `updated` events, up to and including `revision`."""
        revisions: list[str] = []
        while not revisions or revisions[-1] != revision:
            event = await self.event()
            assert event["event"] == "updated", event
            revisions.append(event["document"]["revision"])
        return revisions

    async def ask(self, do: str, **members: Any) -> Message:
        """Send a request, and return its whole reply."""
        return await self.reply(await self.send(do, **members))

    async def ok(self, do: str, **members: Any) -> Message:
        """The `ok` of the reply to a request that succeeds."""
        reply = await self.ask(do, **members)
        assert "ok" in reply, reply
        ok: Message = reply["ok"]
        return ok

    async def document(self, do: str, **members: Any) -> Message:
        """The `document` in the reply to a request that succeeds."""
        document: Message = (await self.ok(do, **members))["document"]
        return document

    async def created(self, type_: str, **members: Any) -> str:
        """The SID of a new object, which is not open."""
        sid: str = (await self.ok("open", **{type_: None}, **members))[type_]["sid"]
        await self.ok("unsubscribe", **{type_: sid})
        return sid

    async def error(self, do: str, **members: Any) -> Message:
        """The `error` of the reply to a request that is refused."""
        reply = await self.ask(do, **members)
        assert "error" in reply, reply
        error: Message = reply["error"]
        return error

    async def closed(self) -> tuple[int, str]:
        """Read to the end; return close code and reason of the server, 1006 if it sent none."""
        try:
            while True:
                await self._sort(await self.receive())
        except ConnectionClosed as closed:
            if closed.rcvd is None:
                return CloseCode.ABNORMAL_CLOSURE, ""
            return closed.rcvd.code, closed.rcvd.reason

    @property
    def unread(self) -> list[Message]:
        """Events and notices that were received but not yet returned by `event`."""
        return list(self._events)

    async def _read_until(self, has_come: Callable[[], object]) -> None:
        """Read until it has come. Several tasks may wait: one reads at a time, for all."""
        while not has_come():
            async with self._reading:
                if not has_come():
                    await self._sort(await self.receive())

    async def _sort(self, message: Message) -> None:
        if "id" in message:
            self._replies[message["id"]] = message
        else:
            self._events.append(message)


@asynccontextmanager
async def native_socket(
    server: RunningServer, token: str | None = None, *, auth: bool = True, **options: Any
) -> AsyncIterator[NativeSocket]:
    """Open a connection to a server.

    Args:
        token: access token; None makes one for `alice`.
        auth: False leaves authentication to the test.
        options: options of `connect` of `websockets`.
    """
    limits = {"max_size": None, "max_queue": None}
    options = {"subprotocols": [Subprotocol(SUBPROTOCOL)], **limits, **options}
    async with connect(websocket_url(server), **options) as connection:
        socket = NativeSocket(connection)
        if auth:
            socket.welcome = await socket.ok("auth", token=token or server.token())
        yield socket


def slow_socket(
    server: RunningServer, token: str | None = None
) -> AbstractAsyncContextManager[NativeSocket]:
    """As `native_socket`, for a reader whose system and client buffer next to nothing."""
    raw = sockets.socket()
    raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    raw.connect(("127.0.0.1", server.port))
    raw.setblocking(False)
    return native_socket(server, token, sock=raw, max_queue=1, ping_interval=None)


def websocket_url(server: RunningServer) -> str:
    """The URL of the native protocol."""
    return f"{server.url.replace('http', 'ws', 1)}/v1/ws"
