"""REST client for the documents of a server."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self
from urllib.parse import quote
from uuid import uuid4

import httpx2

from support.server import RunningServer

__all__ = ["DocumentsApi", "unique"]


class DocumentsApi:
    """The documents of one service, with the credentials of one caller.

    Attributes:
        url: URL of the collection.
        http: the HTTP client, for requests that have no method here.
    """

    def __init__(
        self, server: RunningServer, token: str | None = None, service: str = "default"
    ) -> None:
        """`token`: an access token; None uses the account's Basic login."""
        self.url = f"{server.url}/v1/Services/{quote(service, safe='')}/Documents"
        self.http = httpx2.Client(
            auth=server.basic if token is None else None,
            headers={} if token is None else {"Authorization": f"Bearer {token}"},
            timeout=20,
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

    def call(self, method: str, address: str | None = None, **request: Any) -> httpx2.Response:
        """Send a request to the collection, or to the document with this SID or unique name."""
        url = self.url if address is None else f"{self.url}/{quote(address, safe='')}"
        return self.http.request(method, url, **request)

    def create(self, **parameters: str) -> Any:
        """Create a document and return its resource; fails if the server refuses."""
        reply = self.call("POST", data=parameters)
        assert reply.status_code == 201, reply.text
        return reply.json()

    def fetch(self, address: str) -> Any:
        """Fetch a document; fails if it does not exist."""
        reply = self.call("GET", address)
        assert reply.status_code == 200, reply.text
        return reply.json()

    def page(self, url: str | None = None, /, **query: str | int) -> Any:
        """Fetch one page, by `query` or by its `url`."""
        reply = self.http.get(url) if url else self.call("GET", params=query)
        assert reply.status_code == 200, reply.text
        return reply.json()


def unique(name: str = "document") -> str:
    """A unique name that no other test uses."""
    return f"{name}-{uuid4().hex[:12]}"
