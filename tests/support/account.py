"""REST client for requests that only the account may make: services and permissions."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx2

from support.server import RunningServer

__all__ = ["Account"]


class Account:
    """Calls with the account's Basic login, or with a token to test that a token is refused.

    Attributes:
        http: the HTTP client, for requests that have no method here.
    """

    def __init__(self, server: RunningServer, token: str | None = None) -> None:
        self._base_url = f"{server.url}/v1/Services"
        self.http = httpx2.Client(
            auth=server.basic if token is None else None,
            headers={} if token is None else {"Authorization": f"Bearer {token}"},
            timeout=20,
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

    def call(self, method: str, *segments: str, **request: Any) -> httpx2.Response:
        """Send a request to the path of these segments below `/v1/Services`."""
        path = "".join(f"/{quote(segment, safe='')}" for segment in segments)
        return self.http.request(method, self._base_url + path, **request)

    def ok(self, method: str, *segments: str, **request: Any) -> Any:
        """Send a request that must succeed; return the body of the reply, None if it is empty."""
        reply = self.call(method, *segments, **request)
        assert reply.is_success, reply.text
        return reply.json() if reply.content else None

    def service(self, **parameters: str) -> str:
        """Create a service and return its SID."""
        sid: str = self.ok("POST", data=parameters)["sid"]
        return sid

    def document(self, service: str, name: str | None = None, data: str = "{}") -> str:
        """Create a document and return its SID."""
        form = {"Data": data} if name is None else {"Data": data, "UniqueName": name}
        sid: str = self.ok("POST", service, "Documents", data=form)["sid"]
        return sid

    def permit(
        self,
        service: str,
        address: str,
        identity: str,
        rights: str,
        *,
        plural: str = "Documents",
    ) -> Any:
        """Grant an identity the rights in `rights`: `r`ead, `w`rite, `m`anage.

        Args:
            plural: the type of the object, as in paths.
        """
        form = {
            name: str(name[0].lower() in rights).lower() for name in ("Read", "Write", "Manage")
        }
        path = (service, plural, address, "Permissions", identity)
        return self.ok("POST", *path, data=form)

    def revoke(self, service: str, document: str, identity: str) -> None:
        """Revoke the permission of an identity."""
        self.ok("DELETE", service, "Documents", document, "Permissions", identity)

    def set_acl(self, service: str, enabled: bool) -> None:
        """Enable or disable permission checks in a service."""
        self.ok("POST", service, data={"AclEnabled": str(enabled).lower()})
