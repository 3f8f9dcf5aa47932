"""REST client for the lists, maps and streams of a server."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import httpx2

from support.rest import RestClient
from support.server import RunningServer

__all__ = ["CollectionsApi", "error"]


class CollectionsApi(RestClient):
    """The objects of one type in one service, with the credentials of one caller."""

    def __init__(
        self,
        server: RunningServer,
        plural: str,
        token: str | None = None,
        service: str = "default",
    ) -> None:
        """`plural`: `Lists`, `Maps` or `Streams`."""
        super().__init__(server, f"Services/{quote(service, safe='')}/{plural}", token)

    def create(self, **parameters: str | int) -> Any:
        """Create an object and return its resource."""
        return self.ok("POST", data=parameters)

    def fetch(self, address: str) -> Any:
        """Fetch an object."""
        return self.ok("GET", address)

    def add(self, address: str, **parameters: Any) -> Any:
        """Add an item, by JSON, and return its resource."""
        return self.ok("POST", address, "Items", json={"data": {}, **parameters})

    def item(self, address: str, item_id: str | int) -> Any:
        """Fetch an item."""
        return self.ok("GET", address, "Items", item_id)

    def fill(self, address: str, operations: list[dict[str, Any]]) -> None:
        """Write items in batches of a hundred."""
        for start in range(0, len(operations), 100):
            batch = {"operations": operations[start : start + 100]}
            self.ok("POST", address, "Batch", json=batch)

    def page(self, url: str) -> Any:
        """Fetch a page by its URL."""
        reply = self.http.get(url)
        assert reply.status_code == 200, reply.text
        return reply.json()


def error(reply: httpx2.Response) -> tuple[int, int]:
    """Status and code of a refusal."""
    body = reply.json()
    assert body["status"] == reply.status_code
    assert body["message"]
    return body["status"], body["code"]
