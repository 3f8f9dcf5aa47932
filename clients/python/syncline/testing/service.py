"""A service of a server that was started for tests."""

from __future__ import annotations

import base64
import hmac
import math
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import orjson

from syncline.connector import connect

if TYPE_CHECKING:
    from .server import LocalServer

__all__ = ["LocalService"]


class LocalService:
    """One service: its objects are seen by nobody outside it.

    Attributes:
        url: base URL of the server.
        account_sid: user name of the account's Basic login.
        auth_token: password of that login.
        sid: SID of the service.
    """

    def __init__(self, server: LocalServer, sid: str) -> None:
        self._server = server
        self.url = server.url
        self.account_sid = server.account_sid
        self.auth_token = server.auth_token
        self.sid = sid

    def mint_token(self, identity: str, *, ttl: float = 3600) -> str:
        """An access token of this service, signed here.

        Args:
            identity: whose token it is.
            ttl: seconds of the server's time until it expires, also after `ServerClock.advance`.
        """
        server, now = self._server, int(time.time())
        header = {"alg": "HS256", "typ": "JWT", "cty": "twilio-fpa;v=1"}
        claims = {
            "jti": f"{server.api_key_sid}-{now}",
            "iss": server.api_key_sid,
            "sub": server.account_sid,
            "nbf": now,
            "exp": now + math.ceil(server.clock.offset + ttl),
            "grants": {"identity": identity, "data_sync": {"service_sid": self.sid}},
        }
        signed = b".".join(_encode(orjson.dumps(part)) for part in (header, claims))
        signature = hmac.digest(server.api_key_secret.encode(), signed, "sha256")
        return f"{signed.decode()}.{_encode(signature).decode()}"

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
        """Remove the service with all its objects."""
        self.request("DELETE", "")


def _encode(part: bytes) -> bytes:
    return base64.urlsafe_b64encode(part).rstrip(b"=")
