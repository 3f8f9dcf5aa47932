"""A raw socket of the native protocol: a test sees each message, in the order in which it came."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode
from websockets.typing import Subprotocol

from support.server import RunningServer
from syncline_protocol.native import SUBPROTOCOL

__all__ = ["WAIT", "NativeSocket", "native_socket", "websocket_url"]

WAIT = 20
"""Seconds after which what a test waits for counts as missing."""

Message = dict[str, Any]


class NativeSocket:
    """One connection; nothing is sent or read but what the test asks for.

    Attributes:
        connection: what it runs on.
        welcome: the `ok` of the first `auth`, once it was answered.
    """

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.welcome: Message = {}
        self._ids = itertools.count(1)
        self._events: deque[Message] = deque()
        self._replies: dict[int, Message] = {}

    async def send(self, do: str, **members: Any) -> int:
        """Send a request, and return its id."""
        request_id = next(self._ids)
        await self.connection.send(orjson.dumps({"id": request_id, "do": do, **members}), text=True)
        return request_id

    async def receive(self) -> Message:
        """The next message from the network, whatever it is."""
        async with asyncio.timeout(WAIT):
            message: Message = orjson.loads(await self.connection.recv())
        return message

    async def reply(self, request_id: int) -> Message:
        """The reply with that id; events that come before it are kept for `event`."""
        while request_id not in self._replies:
            await self._sort(await self.receive())
        return self._replies.pop(request_id)

    async def event(self) -> Message:
        """The next event or notice."""
        while not self._events:
            await self._sort(await self.receive())
        return self._events.popleft()

    async def updates(self, revision: str) -> list[str]:
        """Revisions of the next `updated` events, up to and including that one."""
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
        """The `document` of such a reply."""
        document: Message = (await self.ok(do, **members))["document"]
        return document

    async def error(self, do: str, **members: Any) -> Message:
        """The `error` of the reply to a request that is refused."""
        reply = await self.ask(do, **members)
        assert "error" in reply, reply
        error: Message = reply["error"]
        return error

    async def closed(self) -> tuple[int, str]:
        """Read to the end; the server's close code and reason, 1006 if it sent none."""
        try:
            while True:
                await self._sort(await self.receive())
        except ConnectionClosed as closed:
            if closed.rcvd is None:
                return CloseCode.ABNORMAL_CLOSURE, ""
            return closed.rcvd.code, closed.rcvd.reason

    @property
    def unread(self) -> list[Message]:
        """Events and notices that came, and that `event` has not given yet."""
        return list(self._events)

    async def _sort(self, message: Message) -> None:
        if "id" in message:
            self._replies[message["id"]] = message
        else:
            self._events.append(message)


@asynccontextmanager
async def native_socket(
    server: RunningServer, token: str | None = None, *, auth: bool = True, **options: Any
) -> AsyncIterator[NativeSocket]:
    """A socket to a server.

    Args:
        token: to authenticate with; None makes one for `alice`.
        auth: False leaves authentication to the test.
        options: of `websockets`' `connect`.
    """
    limits = {"max_size": None, "max_queue": None}
    options = {"subprotocols": [Subprotocol(SUBPROTOCOL)], **limits, **options}
    async with connect(websocket_url(server), **options) as connection:
        socket = NativeSocket(connection)
        if auth:
            socket.welcome = await socket.ok("auth", token=token or server.token())
        yield socket


def websocket_url(server: RunningServer) -> str:
    """Where the native protocol is spoken."""
    return f"{server.url.replace('http', 'ws', 1)}/v1/ws"
