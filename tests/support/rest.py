"""HTTP client for the REST API of a server; the clients of the parts of the API extend it."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx2

from support.limits import WAIT_LIMIT
from support.server import RunningServer

__all__ = ["RestClient"]


class RestClient:
    """Calls below one path, with the credentials of one caller.

    Attributes:
        url: URL of the path.
        http: the HTTP client, for requests that have no method here.
    """

    def __init__(self, server: RunningServer, path: str, token: str | None = None) -> None:
        """`token`: an access token; None uses the account's Basic login."""
        self.url = f"{server.url}/v1/{path}".rstrip("/")
        self.http = httpx2.Client(
            auth=server.basic if token is None else None,
            headers={} if token is None else {"Authorization": f"Bearer {token}"},
            timeout=WAIT_LIMIT,
            verify=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.http.close()

    def call(self, method: str, *segments: str | int, **request: Any) -> httpx2.Response:
        """Send a request to the path of these segments below `url`."""
        path = "".join(f"/{quote(str(segment), safe='')}" for segment in segments)
        return self.http.request(method, self.url + path, **request)

    def ok(self, method: str, *segments: str | int, **request: Any) -> Any:
        """As `call`; the body of a reply that must be a success, None if it is empty."""
        reply = self.call(method, *segments, **request)
        assert reply.is_success, reply.text
        return reply.json() if reply.content else None
