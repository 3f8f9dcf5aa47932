"""Documents and services over REST.

One-shot commands need no WebSocket, and REST accepts every kind of credentials.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import httpx2

from syncline import Conflict, ConnectionLost, JsonObject, NotFound
from syncline_protocol.sids import is_sid

from .access import Access
from .api import Collection, http_client
from .patch import Patch

__all__ = ["Documents", "Services", "open_documents", "ensure_service"]


@contextmanager
def open_documents(
    access: Access, make_client: Callable[..., httpx2.Client] = httpx2.Client
) -> Iterator[Documents]:
    """The documents of the service that `access` names; arguments and errors as `http_client`."""
    with http_client(access, make_client) as http:
        yield Documents(http, access.service)


def ensure_service(
    access: Access, make_client: Callable[..., httpx2.Client] = httpx2.Client
) -> None:
    """Create the service with the SID in `access`, unless it exists; errors as `http_client`."""
    with http_client(access, make_client) as http:
        Services(http).ensure(access.service)


class Services(Collection):
    """The services of a server."""

    def __init__(self, http: httpx2.Client) -> None:
        super().__init__(http, "v1/Services", "services")

    def ensure(self, sid: str) -> None:
        """Create a service with this SID, unless it exists."""
        if self._exists(sid):
            return
        try:
            made = self.create({"Sid": sid})
        except Conflict:
            if self._exists(sid):
                return  # created by an earlier attempt whose answer was lost, or by somebody else
            raise
        if made["sid"] != sid:
            raise ConnectionLost(
                f"the server created the service {made['sid']}: it does not accept a chosen SID"
            )

    def get(self, address: str) -> JsonObject:
        """Fetch a service; `address`, here and below, is a SID or a unique name."""
        return self._resource("GET", self._path_of(address))

    def create(self, form: Mapping[str, str]) -> JsonObject:
        """Create a service with the settings in `form`."""
        return self._resource("POST", self._path, data=form)

    def set(self, address: str, form: Mapping[str, str]) -> JsonObject:
        """Change the settings in `form`."""
        return self._resource("POST", self._path_of(address), data=form)

    def remove(self, address: str) -> None:
        """Delete a service with all that it has."""
        self._call("DELETE", self._path_of(address))

    def _exists(self, sid: str) -> bool:
        try:
            self.get(sid)
        except NotFound:
            return False
        return True


class Documents(Collection):
    """The documents of one service; each method returns the resource in the server's reply."""

    def __init__(self, http: httpx2.Client, service: str) -> None:
        super().__init__(http, f"v1/Services/{quote(service, safe='')}/Documents", "documents")

    def get(self, address: str) -> JsonObject:
        """Fetch a document; `address`, here and below, is a SID or a unique name."""
        return self._document("GET", address)

    def set(
        self, address: str, data: bytes | None, ttl: int | None, if_match: str | None
    ) -> JsonObject:
        """Replace the data, the expiry or both.

        None leaves data or expiry unchanged; `if_match` None makes the write unconditional.
        """
        return self._document("POST", address, data=_form(data, ttl), headers=_condition(if_match))

    def set_or_create(self, address: str, data: bytes, ttl: int | None) -> JsonObject:
        """Replace the data, or create the document; NotFound if `address` is an unknown SID."""
        while True:
            try:
                return self.set(address, data, ttl, None)
            except NotFound:
                if is_sid(address):
                    raise
            try:
                return self.create(address, data, ttl)
            except Conflict:
                continue  # somebody created it after `set` did not find it: set it again

    def patch(
        self, address: str, patch: Patch, ttl: int | None = None, if_match: str | None = None
    ) -> JsonObject:
        """Apply a patch; `if_match` None applies it to the newest data."""
        return self._document(
            "PATCH",
            address,
            content=patch.body,
            params={} if ttl is None else {"Ttl": ttl},
            headers=_condition(if_match) | patch.headers,
        )

    def update(
        self,
        address: str,
        operations: list[JsonObject],
        ttl: int | None,
        if_match: str | None,
    ) -> JsonObject:
        """Apply a JSON patch (RFC 6902); as `patch`."""
        return self.patch(address, Patch.of(operations), ttl, if_match)

    def remove(self, address: str, if_match: str | None) -> None:
        """Remove a document for everyone."""
        self._call("DELETE", self._path_of(address), headers=_condition(if_match))

    def create(
        self,
        name: str | None,
        data: bytes,
        ttl: int | None,
        op: str | None = None,
        *,
        sid: str | None = None,
    ) -> JsonObject:
        """Create a document; two calls with the same operation id `op` create only one.

        `sid`: the SID to give it; None lets the server choose.
        """
        form = {} if name is None else {"UniqueName": name}
        form |= {} if sid is None else {"Sid": sid}
        form |= _form(data, ttl)
        headers = {} if op is None else {"Idempotency-Key": op}
        return self._resource("POST", self._path, data=form, headers=headers)

    def _document(self, method: str, address: str, **request: Any) -> JsonObject:
        return self._resource(method, self._path_of(address), **request)


def _form(data: bytes | None, ttl: int | None) -> dict[str, str]:
    form = {} if data is None else {"Data": data.decode()}
    return form if ttl is None else form | {"Ttl": str(ttl)}


def _condition(if_match: str | None) -> dict[str, str]:
    return {} if if_match is None else {"If-Match": if_match}
