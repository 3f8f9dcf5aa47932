"""REST calls on the documents of a server, as a test writes them."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self
from urllib.parse import quote
from uuid import uuid4

import httpx2

from support.server import RunningServer

__all__ = ["DocumentsApi", "unique"]


class DocumentsApi:
    """The documents of one service, for one caller.

    Attributes:
        url: of the collection.
        http: the client, for requests that no method here makes.
    """

    def __init__(
        self, server: RunningServer, token: str | None = None, service: str = "default"
    ) -> None:
        """`token`: an access token; None logs in with the account's Basic credentials."""
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
        """Request the collection, or the document of that SID or unique name."""
        url = self.url if address is None else f"{self.url}/{quote(address, safe='')}"
        return self.http.request(method, url, **request)

    def create(self, **parameters: str) -> Any:
        """The resource of a new document; fails if there is none."""
        reply = self.call("POST", data=parameters)
        assert reply.status_code == 201, reply.text
        return reply.json()

    def fetch(self, address: str) -> Any:
        """The resource of a document; fails if there is none."""
        reply = self.call("GET", address)
        assert reply.status_code == 200, reply.text
        return reply.json()

    def page(self, url: str | None = None, /, **query: str | int) -> Any:
        """One page: the one of `query`, or the one at `url`."""
        reply = self.http.get(url) if url else self.call("GET", params=query)
        assert reply.status_code == 200, reply.text
        return reply.json()


def unique(name: str = "document") -> str:
    """A unique name that no other test uses."""
    return f"{name}-{uuid4().hex[:12]}"
