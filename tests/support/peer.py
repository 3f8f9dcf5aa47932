"""A scripted server of the native protocol: a test chooses each reply."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

from support.snapshots import SID
from support.socket import WAIT
from syncline_protocol.native import SUBPROTOCOL

__all__ = ["Peer", "PeerConnection", "document", "peer"]


class PeerConnection:
    """The connection of one client, authenticated unless the test does that itself.

    Attributes:
        socket: the WebSocket.
        token: the token of the client; "" before `welcome`.
    """

    def __init__(self, socket: ServerConnection) -> None:
        self.socket = socket
        self.token = ""
        self._last: dict[str, Any] = {}

    async def receive(self) -> dict[str, Any]:
        """The next request, without its id."""
        async with asyncio.timeout(WAIT):
            self._last = orjson.loads(await self.socket.recv())
        return {name: value for name, value in self._last.items() if name != "id"}

    async def ok(self, **body: Any) -> None:
        """Reply to the last request that was received with `ok`."""
        await self.send(id=self._last["id"], ok=body)

    async def refuse(self, code: int, status: int, **members: Any) -> None:
        """Reply to the last request that was received with an error."""
        error = {"code": code, "status": status, "message": "no", "retry": False, **members}
        await self.send(id=self._last["id"], error=error)

    async def send(self, **message: Any) -> None:
        """Send a message unchanged."""
        await self.socket.send(orjson.dumps(message), text=True)

    async def welcome(self) -> None:
        """Receive `auth` and accept any token."""
        self.token = (await self.receive())["token"]
        await self.ok(identity="alice", service_sid="IS", expires_in=60, data_limit=16_384)


class Peer:
    """The scripted server; `url` is the base URL for clients."""

    def __init__(self, url: str, connections: asyncio.Queue[PeerConnection]) -> None:
        self.url = url
        self._connections = connections

    async def next(self) -> PeerConnection:
        """Wait for the next client and return its connection."""
        async with asyncio.timeout(WAIT):
            return await self._connections.get()


@asynccontextmanager
async def peer(*, welcome: bool = True) -> AsyncIterator[Peer]:
    """Run a server on a free port; `welcome` False leaves authentication to the test."""
    connections: asyncio.Queue[PeerConnection] = asyncio.Queue()

    async def handle(socket: ServerConnection) -> None:
        connection = PeerConnection(socket)
        if welcome:
            await connection.welcome()
        connections.put_nowait(connection)
        await socket.wait_closed()

    async with serve(
        handle, "127.0.0.1", 0, subprotocols=[Subprotocol(SUBPROTOCOL)], close_timeout=1
    ) as server:
        yield Peer(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", connections)


def document(revision: int, **members: Any) -> dict[str, Any]:
    """A document as in a reply; its data contains the revision."""
    return {
        "sid": SID,
        "unique_name": "name",
        "revision": str(revision),
        "data": {"at": revision},
        "date_created": "2026-01-31T00:00:00.000Z",
        "date_updated": "2026-01-31T00:00:00.000Z",
        "date_expires": None,
        "created_by": "alice",
        "updated_by": "bob",
        **members,
    }
