"""REST client for a service with lists, maps and streams."""

from __future__ import annotations

from typing import Any

import httpx2
import orjson

from support.server import RunningServer

__all__ = ["ServiceApi", "filled"]


class ServiceApi:
    """A service of its own, so that it has only the objects of this test.

    Attributes:
        sid: SID of the service.
    """

    def __init__(self, server: RunningServer) -> None:
        self._http = httpx2.Client(auth=server.basic)
        self._url = f"{server.url}/v1/Services"
        self.sid = self.call("POST", "", data={"FriendlyName": "copied"})["sid"]

    def close(self) -> None:
        """Remove the service."""
        self._http.delete(f"{self._url}/{self.sid}")
        self._http.close()

    def call(self, method: str, path: str, **request: Any) -> Any:
        """Send a request; `path` is relative to the service, and empty for all services."""
        url = f"{self._url}/{self.sid}/{path}" if path else self._url
        reply = self._http.request(method, url, **request)
        assert reply.is_success, reply.text
        return reply.json() if reply.content else None

    def all(self, path: str, key: str) -> list[Any]:
        """All resources of a listing."""
        found: list[Any] = []
        url = f"{path}?PageSize=100"
        while url:
            page = self.call("GET", url)
            found += page[key]
            url = page["meta"]["next_page_url"]
            url = url and path + "?" + url.partition("?")[2]
        return found

    def add(self, path: str, data: Any, **parameters: str) -> Any:
        """Add an item."""
        form = {"Data": orjson.dumps(data).decode(), **parameters}
        return self.call("POST", f"{path}/Items", data=form)

    def contents(self) -> dict[str, Any]:
        """Everything that a copy keeps: items in order, and permissions, by name."""
        kept: dict[str, Any] = {}
        for plural in ("Lists", "Maps"):
            for each in self.all(plural, plural.lower()):
                path = f"{plural}/{each['sid']}"
                name = f"{plural}/{each['unique_name']}"
                kept[name] = [
                    (item.get("key"), item["data"]) for item in self.all(f"{path}/Items", "items")
                ]
                kept[f"{name}/Permissions"] = {
                    (each["identity"], each["read"], each["write"], each["manage"])
                    for each in self.all(f"{path}/Permissions", "permissions")
                }
        kept["Streams"] = sorted(
            str(each["unique_name"]) for each in self.all("Streams", "streams")
        )
        return kept

    def batch(self, path: str, operations: list[Any]) -> None:
        for start in range(0, len(operations), 100):
            body = {"operations": operations[start : start + 100]}
            self.call("POST", f"{path}/Batch", json=body)


def filled(service: ServiceApi, count: int = 250) -> int:
    """Create a list and a map of many items, small ones, and streams; return the records."""
    service.call("POST", "Lists", data={"UniqueName": "long", "Ttl": "3600"})
    service.batch("Lists/long", [{"op": "add", "data": {"n": n}} for n in range(count)])
    service.call("DELETE", "Lists/long/Items/1")
    service.call("POST", "Maps", data={"UniqueName": "a/b ü"})
    keyed = [{"op": "add", "key": f"k/{n} ü", "data": {"n": n}} for n in range(count)]
    service.batch("Maps/a%2Fb%20%C3%BC", keyed)
    service.add("Maps/a%2Fb%20%C3%BC", {"x": 0.1}, Key="brief", ItemTtl="3600")
    rights = {"Read": "true", "Write": "false", "Manage": "true"}
    service.call("POST", "Maps/a%2Fb%20%C3%BC/Permissions/alice", data=rights)
    service.call("POST", "Lists/long/Permissions/bob", data={"Write": "true"})
    for number in range(3):
        service.call("POST", "Maps", data={"UniqueName": f"small{number}"})
        service.add(f"Maps/small{number}", {}, Key="only")
    service.call("POST", "Lists", data={"UniqueName": "empty"})
    nameless = service.call("POST", "Lists", data={"Ttl": "3600"})["sid"]
    service.add(f"Lists/{nameless}", {"has": "no name"})
    service.call("POST", "Streams", data={"UniqueName": "cursors", "Ttl": "3600"})
    return (1 + count - 1) + (1 + count + 1) + 2 + 6 + 1 + 2 + 1
