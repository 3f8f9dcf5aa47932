"""REST client for the lists, maps and streams of a server."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx2

from support.server import RunningServer

__all__ = ["CollectionsApi", "error"]


class CollectionsApi:
    """The objects of one type in one service, with the credentials of one caller.

    Attributes:
        url: URL of all objects.
        http: the HTTP client, for requests that have no method here.
    """

    def __init__(
        self,
        server: RunningServer,
        plural: str,
        token: str | None = None,
        service: str = "default",
    ) -> None:
        """
        Args:
            plural: `Lists`, `Maps` or `Streams`.
            token: an access token; None uses the account's Basic login.
        """
        self.url = f"{server.url}/v1/Services/{quote(service, safe='')}/{plural}"
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

    def call(self, method: str, *segments: str | int, **request: Any) -> httpx2.Response:
        """Send a request to the path of these segments below `url`."""
        path = "".join(f"/{quote(str(segment), safe='')}" for segment in segments)
        return self.http.request(method, self.url + path, **request)

    def ok(self, method: str, *segments: str | int, **request: Any) -> Any:
        """As `call`; the body of a reply that must be a success, None if it is empty."""
        reply = self.call(method, *segments, **request)
        assert reply.is_success, reply.text
        return reply.json() if reply.content else None

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
