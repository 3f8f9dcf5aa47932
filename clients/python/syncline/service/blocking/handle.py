# Made by scripts/generate-blocking. Do not edit: change the async source.
"""What the handles of all objects have."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from syncline.errors import UsageError
from syncline.header import Header, JsonObject
from syncline.request_members import check_members
from syncline.service.operation_ids import operation
from syncline_protocol.objects import ObjectType

from .http import Http, path_segment
from .permissions import Permissions

__all__ = ["Handle"]


class Handle:
    """One object of a service. Applications get handles from `documents`, `maps` and so on.

    It holds no connection and needs no `close`. It can be pickled and used by many threads. Every
    method that sends a request raises, in addition to the exceptions that it lists:

    - NotFound: the object was removed or has expired.
    - Unavailable: the server could not execute the request within `timeout`.
    - RequestTimeout: no reply within `timeout`; the outcome of a write is unknown.
    - ConnectionLost: the server cannot be reached; nothing was changed.
    - Unauthorized, Forbidden: the credentials are wrong, or do not suffice.
    - ClientClosed: the service was closed.
    """

    object_type: ObjectType

    def __init__(self, http: Http, address: str, header: Header | None = None) -> None:
        """Applications call `get`, `create` or `at` of `documents`, `maps` … instead."""
        path_segment(address)  # raises if it cannot be one
        self._http = http
        self._address = address
        self._known = header

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._address}>"

    @property
    def sid(self) -> str:
        """Two letters and 32 hexadecimal digits."""
        return self._header.sid

    @property
    def unique_name(self) -> str | None:
        """Unique name; None if it has none."""
        return self._header.unique_name

    @property
    def date_created(self) -> datetime:
        """When the object was created, UTC."""
        return self._header.date_created

    @property
    def date_updated(self) -> datetime:
        """When it was last written, as far as this handle knows; UTC."""
        return self._header.date_updated

    @property
    def date_expires(self) -> datetime | None:
        """When the object expires, UTC; None if never."""
        return self._header.date_expires

    @property
    def created_by(self) -> str:
        """Identity of the creator, or `system`: that is a back end."""
        return self._header.created_by

    @property
    def permissions(self) -> Permissions:
        """What identities may do with it. Streams have no permissions.

        Raises:
            UsageError: this is a stream.
        """
        if not self.object_type.has_permissions:
            raise UsageError(f"a {self.object_type.name} has no permissions")
        path = self._http.path_to(self._address, self.object_type)
        return Permissions(self._http, f"{path}/Permissions")

    def refresh(self) -> None:
        """Read the newest state from the server."""
        self._request("get")

    def set_ttl(self, ttl: int, *, operation_id: str | None = None) -> None:
        """Change the expiry.

        Args:
            ttl: time to live in seconds from now; 0: never expires.
            operation_id: as in `set`.

        Raises:
            InvalidRequest: `ttl` is out of range.
        """
        self._write(f"ttl{self._suffix}", operation_id, ttl=ttl)

    def _remove(self, operation_id: str | None, if_match: str | None = None) -> None:
        self._write(f"remove{self._suffix}", operation_id, if_match=if_match)

    @property
    def _header(self) -> Header:
        if self._known is None:
            raise UsageError(
                f"this handle has not read the {self.object_type.name} yet: call refresh() first"
            )
        return self._known

    @property
    def _paths(self) -> set[str]:
        """Paths of the object, by all its names that are known: handles may have different ones."""
        known = () if self._known is None else (self._known.sid, self._known.unique_name)
        names = {self._address, *known} - {None}
        return {self._http.path_to(name, self.object_type) for name in names}

    @property
    def _suffix(self) -> str:
        """What tells verbs for a list or map from those for its items."""
        return "_collection" if self.object_type.has_items else ""

    def _write(self, verb: str, operation_id: str | None, **members: Any) -> JsonObject:
        """Send a write and return the `ok` of its reply."""
        return self._request(verb, op=operation(operation_id), **members)

    def _request(self, verb: str, **members: Any) -> JsonObject:
        """Send a request in the form of docs/protocol.md, section 3; return the `ok`."""
        given = {name: value for name, value in members.items() if value is not None}
        check_members(given)
        ok = self._carry_out({"do": verb, self.object_type.name: self._address, **given})
        self._take(ok)
        return ok

    def _carry_out(self, request: JsonObject) -> JsonObject:
        raise NotImplementedError

    def _take(self, ok: JsonObject) -> None:
        """Keep what a reply says of the object itself."""
        raise NotImplementedError
