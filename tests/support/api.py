"""REST client for the documents of a server."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote
from uuid import uuid4

from support.rest import RestClient
from support.server import RunningServer

__all__ = ["DocumentsApi", "unique"]


class DocumentsApi(RestClient):
    """The documents of one service, with the credentials of one caller."""

    def __init__(
        self, server: RunningServer, token: str | None = None, service: str = "default"
    ) -> None:
        super().__init__(server, f"Services/{quote(service, safe='')}/Documents", token)

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
