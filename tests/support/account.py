"""REST client for requests that only the account may make: services and permissions."""

from __future__ import annotations

from typing import Any

from support.rest import RestClient
from support.server import RunningServer

__all__ = ["Account"]


class Account(RestClient):
    """Calls with the account's Basic login, or with a token to test that a token is refused."""

    def __init__(self, server: RunningServer, token: str | None = None) -> None:
        super().__init__(server, "Services", token)

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
