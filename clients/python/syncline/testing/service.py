"""A service of a server that was started for tests."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from syncline.connector import connect
from syncline.service import Service
from syncline_protocol import access_tokens

if TYPE_CHECKING:
    from .server import LocalServer

__all__ = ["LocalService"]


class LocalService(Service):
    """A client of one service, as back ends use it: its objects are seen by nobody outside it.

    A copy by pickle is a plain `syncline.Service`.

    Attributes:
        url: base URL of the server.
        account_sid: user name of the account's Basic login.
        auth_token: password of that login.
        sid: SID of the service.
    """

    def __init__(self, server: LocalServer, sid: str) -> None:
        super().__init__(
            server.url,
            server.account_sid,
            server.auth_token,
            key_sid=server.api_key_sid,
            key_secret=server.api_key_secret,
            service=sid,
        )
        self._server = server
        self.url = server.url
        self.account_sid = server.account_sid
        self.auth_token = server.auth_token
        self.sid = sid

    def __reduce__(self) -> Any:
        restore, (_, *state) = super().__reduce__()
        return restore, (Service, *state)

    def for_service(self, service: str) -> Self:
        """As `Service.for_service`."""
        return type(self)(self._server, service)

    def mint_token(self, identity: str, *, ttl: int = 3600, service: str | None = None) -> str:
        """As `Service.mint_token`; the token lasts as long also after `ServerClock.advance`."""
        name = self.sid if service is None else service
        access_tokens.check(identity, ttl, name)
        return access_tokens.mint(
            self.account_sid,
            (self._server.api_key_sid, self._server.api_key_secret),
            identity,
            ttl=math.ceil(self._server.clock.offset) + ttl,
            service=name,
            now=int(time.time()),
        )

    def connect(self, identity: str, **options: Any) -> connect:
        """A client of this service: `async with service.connect("alice") as client`.

        It fetches a new token whenever it needs one; `options` as of `syncline.connect`.
        """
        options.setdefault("token", lambda: self.mint_token(identity))
        return connect(self.url, **options)

    def request(
        self, method: str, path: str, form: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """The reply of the REST API to the account; `path` is below the service, such as
        `/Documents`. Raises as `LocalServer.request`."""
        return self._server.request(method, f"/Services/{self.sid}{path}", form)

    def remove(self) -> None:
        """Remove the service with all its objects, and close the connections."""
        self.request("DELETE", "")
        self.close()
