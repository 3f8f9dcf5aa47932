"""One client of the native protocol, in this process, which counts the bytes that it receives."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
from websockets.asyncio.client import ClientConnection, connect

from .syncline import token
from .target import Site

__all__ = ["NativeClient", "connected"]


class NativeClient:
    """A connection that has authenticated.

    Attributes:
        received: bytes of all messages so far.
        events: events that arrived before a reply, in their order.
    """

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.received = 0
        self.events: list[dict[str, Any]] = []
        self._ids = itertools.count(1)

    async def request(self, do: str, **members: object) -> dict[str, Any]:
        """Send a request, and return the `ok` of its reply.

        Raises:
            RuntimeError: the request was refused.
        """
        number = next(self._ids)
        body = orjson.dumps({"id": number, "do": do, **members})
        await self.connection.send(body, text=True)
        while True:
            message = await self.message()
            if message.get("id") != number:
                self.events.append(message)
            elif "ok" in message:
                ok: dict[str, Any] = message["ok"]
                return ok
            else:
                raise RuntimeError(message)

    async def message(self) -> dict[str, Any]:
        """The next message."""
        text = await self.connection.recv(decode=False)
        self.received += len(text)
        found: dict[str, Any] = orjson.loads(text)
        return found


@asynccontextmanager
async def connected(site: Site) -> AsyncIterator[NativeClient]:
    """Connect to the server on this site, and authenticate."""
    url = f"ws://127.0.0.1:{site.port}/v1/ws"
    async with connect(url, ping_interval=None, max_size=None, max_queue=None) as connection:
        client = NativeClient(connection)
        await client.request("auth", token=token(site))
        yield client
