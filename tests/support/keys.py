"""Adds and revokes API keys of a running server over REST."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

import httpx2

from support.server import RunningServer
from support.socket import WAIT
from syncline_server.auth.authenticator import mint_token

__all__ = ["Key", "KeysApi", "until"]


@dataclass(frozen=True, slots=True)
class Key:
    """An API key and its secret."""

    sid: str
    secret: str

    @property
    def login(self) -> tuple[str, str]:
        """Basic login: user and password."""
        return self.sid, self.secret

    def token(
        self,
        server: RunningServer,
        identity: str = "alice",
        ttl: int = 3600,
        service: str = "default",
    ) -> str:
        """Make an access token for the server, signed by this key."""
        credentials = replace(server.credentials, api_keys={self.sid: self.secret})
        return mint_token(credentials, identity, ttl, service=service)


class KeysApi:
    """The API keys of a server, with the account's own login."""

    def __init__(self, server: RunningServer) -> None:
        self.http = httpx2.Client(base_url=server.url, auth=server.basic, timeout=20, verify=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.http.close()

    def add(self, *, login_only: bool = False) -> Key:
        """Add a key."""
        reply = self.http.post("/v1/Keys", data={"LoginOnly": str(login_only).lower()})
        assert reply.status_code == 201, reply.text
        return Key(reply.json()["sid"], reply.json()["secret"])

    def revoke(self, sid: str) -> None:
        """Revoke a key."""
        reply = self.http.delete(f"/v1/Keys/{sid}")
        assert reply.status_code == 204, reply.text


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Poll until `condition` holds: no event reports that a process has loaded a key."""
    async with asyncio.timeout(WAIT):
        while not await condition():
            await asyncio.sleep(0.02)
