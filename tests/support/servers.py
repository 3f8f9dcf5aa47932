"""The list of connections of several servers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx2

from syncline_protocol.native import Close

from .limits import WAIT_LIMIT
from .server import RunningServer
from .socket import native_socket

__all__ = [
    "Listing",
    "close_connection",
    "list_connections",
    "until_listed",
    "use_another_server",
]

Listing = dict[str, Any]


async def list_connections(server: RunningServer, **query: str) -> Listing:
    """The reply of a server."""
    async with httpx2.AsyncClient(auth=server.basic, timeout=WAIT_LIMIT) as http:
        reply = await http.get(f"{server.url}/v1/Connections", params=query)
    assert reply.status_code == 200, reply.text
    listing: Listing = reply.json()
    return listing


async def until_listed(
    server: RunningServer, is_expected: Callable[[Listing], object], **query: str
) -> Listing:
    """The first reply that is as expected: servers that are busy may not answer in time."""
    async with asyncio.timeout(WAIT_LIMIT):
        while not is_expected(listing := await list_connections(server, **query)):
            await asyncio.sleep(0.05)
    return listing


async def close_connection(server: RunningServer, id_: str) -> httpx2.Response:
    """The reply of a server to the request to close a connection."""
    async with httpx2.AsyncClient(auth=server.basic, timeout=WAIT_LIMIT) as http:
        return await http.delete(f"{server.url}/v1/Connections/{id_}")


async def use_another_server(first: RunningServer, second: RunningServer) -> None:
    """List and close, by `first`, a connection of `second`, whose name is "second"."""
    async with native_socket(second, second.token("carol")) as socket:
        listing = await until_listed(first, lambda each: each["connections"], Identity="carol")
        [connection] = listing["connections"]
        assert connection["server"] == "second"
        await close_connection(first, connection["id"])
        assert (await socket.closed())[0] == Close.GOING_AWAY
