"""Adds and revokes API keys of a running server over REST."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from support.rest import RestClient
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


class KeysApi(RestClient):
    """The API keys of a server, with the account's own login."""

    def __init__(self, server: RunningServer) -> None:
        super().__init__(server, "Keys")

    def add(self, *, login_only: bool = False) -> Key:
        """Add a key."""
        added = self.ok("POST", data={"LoginOnly": str(login_only).lower()})
        return Key(added["sid"], added["secret"])

    def revoke(self, sid: str) -> None:
        """Revoke a key."""
        self.ok("DELETE", sid)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Poll until `condition` holds: no event reports that a process has loaded a key."""
    async with asyncio.timeout(WAIT):
        while not await condition():
            await asyncio.sleep(0.02)
