"""The documents, lists, maps or streams of one service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, ClassVar, Generic, TypeVar

from syncline.encoding import check_address
from syncline.errors import Conflict, NotFound
from syncline.header import Header, JsonObject
from syncline.rest_requests import form_of
from syncline.service.dictionary import AsyncContainer
from syncline.service.operation_ids import HEADER, operation
from syncline_protocol.errors import Code
from syncline_protocol.objects import ObjectType

from .handle import AsyncHandle
from .http import AsyncHttp, path_segment
from .listing import async_listing, check_limits

__all__ = ["AsyncObjects"]

H = TypeVar("H", bound=AsyncHandle)

CREATE_ATTEMPTS = 5
"""Attempts to read or create an object that others create and remove meanwhile."""


class AsyncObjects(AsyncContainer[str], Generic[H]):
    """The objects of one type. An address is a SID or a unique name.

    Iteration gives a handle for each, in the order of `list`.
    """

    type: ClassVar[ObjectType]

    def __init__(self, http: AsyncHttp) -> None:
        """Applications use `documents`, `maps`, `lists` and `streams` of a service instead."""
        self._http = http
        self._path = http.path_to(None, self.type)

    def at(self, address: str) -> H:
        """The handle of an object, without a request: it must exist before it is used."""
        return self._handle(address, None)

    async def get(self, address: str) -> H:
        """Read an object.

        Raises:
            NotFound: there is none.
        """
        return self._parse(await self._http.call("GET", self._path_of(address)))

    async def __getitem__(self, address: str) -> H:
        """As `get`."""
        return await self.get(address)

    async def has(self, address: str) -> bool:
        """True if there is such an object."""
        try:
            await self.get(address)
        except NotFound:
            return False
        return True

    async def remove(self, address: str, *, operation_id: str | None = None) -> None:
        """Remove an object for all clients.

        Args:
            operation_id: as in `set` of a document.

        Raises:
            NotFound: there is none.
        """
        headers = {HEADER: operation(operation_id)}
        await self._http.call("DELETE", self._path_of(address), headers=headers)

    def list(self, *, limit: int | None = None, page_size: int = 50) -> AsyncIterator[H]:
        """Iterate over the objects; each page is read when it is needed.

        Args:
            limit: maximum number of objects; None for all.
            page_size: number of objects that are read at once, 1 to 100.

        Raises:
            ValueError: an argument is out of range.
        """
        check_limits(limit, page_size)
        return async_listing(
            self._http,
            self._path,
            self.type.plural,
            self._parse,
            limit=limit,
            page_size=page_size,
        )

    def __aiter__(self) -> AsyncIterator[H]:
        """As `list`."""
        return self.list()

    async def _create(self, name: str | None, operation_id: str | None, **members: Any) -> H:
        given = {member: value for member, value in members.items() if value is not None}
        request = {"do": "open", **given}
        if name is not None:
            check_address(name, self.type.name)
            request[self.type.name] = name
        form = form_of(request)
        if "sid" in given:
            form["Sid"] = given["sid"]
        headers = {HEADER: operation(operation_id)}
        return self._parse(await self._http.call("POST", self._path, data=form, headers=headers))

    async def _get_or_create(self, name: str, **members: Any) -> H:
        attempt = 0
        while True:
            attempt += 1
            try:
                return await self.get(name)
            except NotFound:
                pass
            try:
                return await self._create(name, None, **members)
            except Conflict as error:
                # Created by somebody else since our 404: read it.
                if error.code != Code.NAME_TAKEN or attempt == CREATE_ATTEMPTS:
                    raise

    def _path_of(self, address: str) -> str:
        return f"{self._path}/{path_segment(address)}"

    def _parse(self, body: JsonObject) -> H:
        # The header of a stream has no revision.
        return self._handle(body["sid"], Header.of({"revision": "0", **body}))

    def _handle(self, address: str, header: Header | None) -> H:
        raise NotImplementedError
