"""Requests of the vendor's v3 API, by each transport and each dialect of the SDKs."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx2

from support.server import RunningServer
from support.twilsock import javascript, kotlin, twilsock_client

__all__ = ["TRANSPORTS", "Call", "Transport", "below"]

Call = Callable[..., Awaitable[tuple[int, Any]]]
"""As `TwilsockClient.call`."""

Transport = Callable[[RunningServer], AbstractAsyncContextManager[Call]]


@asynccontextmanager
async def javascript_socket(server: RunningServer) -> AsyncIterator[Call]:
    async with twilsock_client(server, dialect=javascript) as client:
        yield client.call


@asynccontextmanager
async def kotlin_socket(server: RunningServer) -> AsyncIterator[Call]:
    async with twilsock_client(server, dialect=kotlin) as client:
        yield client.call


@asynccontextmanager
async def plain_http(server: RunningServer) -> AsyncIterator[Call]:
    async with httpx2.AsyncClient(
        base_url=server.url, headers={"Authorization": f"Bearer {server.token()}"}
    ) as http:

        async def call(
            method: str,
            path: str,
            body: Any = None,
            *,
            payload: bytes | None = None,
            **headers: str,
        ) -> tuple[int, Any]:
            content = {"content": payload} if payload is not None else {}
            given = {"json": body} if body is not None else content
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            named |= {"Content-Type": "application/json"} if content else {}
            reply = await http.request(method, path, headers=named, **given)
            return reply.status_code, reply.json() if reply.content else None

        yield call


TRANSPORTS: tuple[Transport, ...] = (javascript_socket, kotlin_socket, plain_http)


def below(url: str) -> str:
    """The path of a URL."""
    match = re.fullmatch(r"https?://[^/?#]+(/[^?#]*)", url)
    assert match is not None, url
    return match[1]
