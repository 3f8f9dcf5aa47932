"""Lists, maps and streams of one service over REST."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx2
import orjson

from syncline import Conflict, JsonObject, NotFound
from syncline_protocol.objects import ObjectType

from .access import Access
from .api import Collection, http_client
from .patch import Patch
from .rest import Documents

__all__ = [
    "ITEM_PAGE_SIZE",
    "ItemRequest",
    "Items",
    "Objects",
    "Permissions",
    "ServiceApi",
    "open_service",
]

ITEM_PAGE_SIZE = 100
"""Maximum items on a page, and in a batch."""


@contextmanager
def open_service(
    access: Access, make_client: Callable[..., httpx2.Client] = httpx2.Client
) -> Iterator[ServiceApi]:
    """The service that `access` names; arguments and errors as `http_client`."""
    with http_client(access, make_client) as http:
        yield ServiceApi(http, access.service)


class ServiceApi:
    """One service, by the types of its objects."""

    def __init__(self, http: httpx2.Client, service: str) -> None:
        self._http = http
        self._service = service
        self.documents = Documents(http, service)

    def objects(self, type_: ObjectType) -> Objects:
        """The lists, maps or streams."""
        return Objects(self._http, self._service, type_)


class Objects(Collection):
    """The lists, maps or streams; each method returns the resource in the server's reply.

    An `address` is a SID or a unique name.
    """

    def __init__(self, http: httpx2.Client, service: str, type_: ObjectType) -> None:
        path = f"v1/Services/{quote(service, safe='')}/{type_.plural.capitalize()}"
        super().__init__(http, path, type_.plural)

    def get(self, address: str) -> JsonObject:
        """Fetch the header of an object."""
        return self._resource("GET", self._path_of(address))

    def create(
        self, name: str | None, ttl: int | None, op: str | None = None, *, sid: str | None = None
    ) -> JsonObject:
        """Create an object; two calls with the same operation id `op` create only one.

        `sid`: SID that it gets; None for a random one.
        """
        form = {} if name is None else {"UniqueName": name}
        form |= {} if sid is None else {"Sid": sid}
        form |= {} if ttl is None else {"Ttl": str(ttl)}
        return self._resource("POST", self._path, data=form, headers=_operation(op))

    def set_ttl(self, address: str, ttl: int) -> JsonObject:
        """Set the seconds until the object expires; 0 means never."""
        return self._resource("POST", self._path_of(address), data={"Ttl": str(ttl)})

    def remove(self, address: str) -> None:
        """Remove an object for everyone."""
        self._call("DELETE", self._path_of(address))

    def publish(self, address: str, data: bytes) -> JsonObject:
        """Send a message to everyone who has the stream open."""
        path = f"{self._path_of(address)}/Messages"
        return self._resource("POST", path, data={"Data": data.decode()})

    def items(self, address: str) -> Items:
        """The items of a list or map."""
        return Items(self._http, self._path_of(address))

    def permissions(self, address: str) -> Permissions:
        """The permissions of an object."""
        return Permissions(self._http, self._path_of(address))


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemRequest:
    """What a write of an item carries.

    Attributes:
        data: compact JSON; None leaves the data unchanged.
        ttl: seconds until the item expires, 0 for never; None leaves the expiry unchanged.
        if_match: write only if the item has this revision; None writes unconditionally.
        key: the key of a new item of a map.
    """

    data: bytes | None = None
    ttl: int | None = None
    if_match: str | None = None
    key: str | None = None

    def form(self) -> dict[str, str]:
        """The form fields."""
        values = {
            "Key": self.key,
            "Data": None if self.data is None else self.data.decode(),
            "ItemTtl": None if self.ttl is None else str(self.ttl),
        }
        return {name: value for name, value in values.items() if value is not None}

    def headers(self) -> dict[str, str]:
        """The header with the condition."""
        return {} if self.if_match is None else {"If-Match": self.if_match}


class Items(Collection):
    """The items of one list or map; each method returns the resource in the server's reply."""

    def __init__(self, http: httpx2.Client, path: str) -> None:
        """`path`: that of the list or map."""
        super().__init__(http, f"{path}/Items", "items")
        self._batch_path = f"{path}/Batch"

    def get(self, item: str) -> JsonObject:
        """Fetch an item; `item`, here and below, is a key or an index."""
        return self._resource("GET", self._path_of(item))

    def with_prefix(self, prefix: str, size: int) -> Iterator[list[JsonObject]]:
        """Pages of the items of a map whose key begins with `prefix`; only these are fetched."""
        for page in self.pages(size, {"From": prefix}):
            found = [item for item in page if item["key"].startswith(prefix)]
            yield found
            # Keys come in order: behind the first other key there are none with the prefix.
            if len(found) < len(page):
                return

    def add(self, request: ItemRequest, op: str | None = None) -> JsonObject:
        """Add an item; two calls with the same operation id `op` add only one."""
        return self._resource("POST", self._path, data=request.form(), headers=_operation(op))

    def set(self, item: str, request: ItemRequest) -> JsonObject:
        """Replace the data, the expiry or both of an item that exists."""
        form, headers = request.form(), request.headers()
        return self._resource("POST", self._path_of(item), data=form, headers=headers)

    def set_or_add(self, key: str, request: ItemRequest) -> tuple[JsonObject, bool]:
        """Replace an item of a map or add it; True if it was added. Needs only the vendor's API.

        Raises:
            NotFound: there is no such map.
        """
        while True:
            try:
                return self.set(key, request), False
            except NotFound:
                pass
            try:
                new = ItemRequest(key=key, data=request.data, ttl=request.ttl)
                return self.add(new), True
            except Conflict:
                continue  # somebody added it after `set` did not find it: set it again

    def patch(self, item: str, patch: Patch, request: ItemRequest) -> JsonObject:
        """Apply a patch; `request` has the expiry and the condition."""
        return self._resource(
            "PATCH",
            self._path_of(item),
            content=patch.body,
            params={} if request.ttl is None else {"ItemTtl": request.ttl},
            headers=request.headers() | patch.headers,
        )

    def update(self, item: str, operations: list[JsonObject], request: ItemRequest) -> JsonObject:
        """Apply a JSON patch (RFC 6902)."""
        return self.patch(item, Patch.of(operations), request)

    def remove(self, item: str, if_match: str | None = None) -> None:
        """Remove an item."""
        headers = ItemRequest(if_match=if_match).headers()
        self._call("DELETE", self._path_of(item), headers=headers)

    def batch(self, operations: Sequence[Mapping[str, Any]], op: str) -> JsonObject:
        """Apply up to 100 operations, all or none; Syncline's own extension.

        A second call with the same operation id `op` applies nothing.
        """
        body = orjson.dumps({"operations": operations})
        headers = {"Content-Type": "application/json", **_operation(op)}
        return self._resource("POST", self._batch_path, content=body, headers=headers)


class Permissions(Collection):
    """The permissions of one object."""

    def __init__(self, http: httpx2.Client, path: str) -> None:
        """`path`: that of the object."""
        super().__init__(http, f"{path}/Permissions", "permissions")

    def get(self, identity: str) -> JsonObject:
        """Fetch the permission of an identity."""
        return self._resource("GET", self._path_of(identity))

    def has(self, identity: str) -> bool:
        """True if the identity has a permission."""
        try:
            self.get(identity)
        except NotFound:
            return False
        return True

    def set(self, identity: str, rights: Mapping[str, bool]) -> JsonObject:
        """Set the rights of an identity; the names are `read`, `write` and `manage`."""
        form = {name.capitalize(): str(value).lower() for name, value in rights.items()}
        return self._resource("POST", self._path_of(identity), data=form)

    def remove(self, identity: str) -> None:
        """Remove the permission of an identity."""
        self._call("DELETE", self._path_of(identity))


def _operation(op: str | None) -> dict[str, str]:
    return {} if op is None else {"Idempotency-Key": op}
