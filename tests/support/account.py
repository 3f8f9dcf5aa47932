"""What only the account may do over REST: services and permissions, as a test asks for them."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx2

from support.server import RunningServer

__all__ = ["Account"]


class Account:
    """Calls with Basic credentials, or with a token to see that one is not enough.

    Attributes:
        http: the client, for requests that no method here makes.
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
        """Request what the segments name below `/v1/Services`."""
        path = "".join(f"/{quote(segment, safe='')}" for segment in segments)
        return self.http.request(method, self._base_url + path, **request)

    def ok(self, method: str, *segments: str, **request: Any) -> Any:
        """The body of the reply to a request that succeeds; None for none."""
        reply = self.call(method, *segments, **request)
        assert reply.is_success, reply.text
        return reply.json() if reply.content else None

    def service(self, **parameters: str) -> str:
        """The SID of a new service."""
        sid: str = self.ok("POST", data=parameters)["sid"]
        return sid

    def document(self, service: str, name: str | None = None, data: str = "{}") -> str:
        """The SID of a new document."""
        form = {"Data": data} if name is None else {"Data": data, "UniqueName": name}
        sid: str = self.ok("POST", service, "Documents", data=form)["sid"]
        return sid

    def permit(self, service: str, document: str, identity: str, rights: str) -> Any:
        """Let an identity do what the letters say: `r`ead, `w`rite, `m`anage."""
        form = {
            name: str(name[0].lower() in rights).lower() for name in ("Read", "Write", "Manage")
        }
        path = (service, "Documents", document, "Permissions", identity)
        return self.ok("POST", *path, data=form)

    def revoke(self, service: str, document: str, identity: str) -> None:
        """Take the permission of an identity away."""
        self.ok("DELETE", service, "Documents", document, "Permissions", identity)

    def set_acl(self, service: str, enabled: bool) -> None:
        """Let permissions count, or not."""
        self.ok("POST", service, data={"AclEnabled": str(enabled).lower()})
