"""The documents, lists, maps or streams of one service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Any, ClassVar

import orjson

from syncline.encoding import check_address
from syncline.errors import Conflict, NotFound
from syncline.header import Header, JsonObject
from syncline.model_data import ModelData
from syncline.rest_requests import form_of
from syncline.service.dictionary import AsyncContainer
from syncline.service.operation_ids import HEADER, operation
from syncline_protocol.errors import Code
from syncline_protocol.objects import ObjectType

from .http import AsyncHttp, path_segment
from .listing import async_listing, check_limits

__all__ = ["AsyncObjects"]

CREATE_ATTEMPTS = 5
"""Attempts to read or create an object that others create and remove meanwhile."""


class AsyncObjects(AsyncContainer[str]):
    """The objects of one type. An address is a SID or a unique name.

    Iteration gives a handle for each, in the order of `list`. `model` of a method is a dataclass,
    TypedDict, pydantic model or msgspec Struct: the type of all data of the handle; None:
    `JsonObject`. It raises `UsageError` if it cannot be used.
    """

    object_type: ClassVar[ObjectType]

    def __init__(self, http: AsyncHttp) -> None:
        """Applications use `documents`, `maps`, `lists` and `streams` of a service instead."""
        self._http = http
        self._path = http.path_to(None, self.object_type)

    async def has(self, address: str) -> bool:
        """True if there is such an object."""
        try:
            await self._get(address, None)
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

    def _at(self, address: str, model: Any) -> Any:
        return self._handle(address, None, ModelData(model))

    async def _get(self, address: str, model: Any) -> Any:
        data: ModelData[Any] = ModelData(model)
        return self._parse(await self._http.call("GET", self._path_of(address)), data)

    def _list(self, model: Any, limit: int | None, page_size: int) -> AsyncIterator[Any]:
        check_limits(limit, page_size)
        return async_listing(
            self._http,
            self._path,
            self.object_type.plural,
            partial(self._parse, data=ModelData(model)),
            limit=limit,
            page_size=page_size,
        )

    async def _create(
        self, name: str | None, operation_id: str | None, data: ModelData[Any], **members: Any
    ) -> Any:
        given = {member: value for member, value in members.items() if value is not None}
        if "json" in given:
            given["data"] = orjson.Fragment(given.pop("json"))
        request = {"do": "open", **given}
        if name is not None:
            check_address(name, self.object_type.name)
            request[self.object_type.name] = name
        form = form_of(request)
        if "sid" in given:
            form["Sid"] = given["sid"]
        headers = {HEADER: operation(operation_id)}
        made = await self._http.call("POST", self._path, data=form, headers=headers)
        return self._parse(made, data)

    async def _get_or_create(self, name: str, data: ModelData[Any], **members: Any) -> Any:
        attempt = 0
        while True:
            attempt += 1
            try:
                return self._parse(await self._http.call("GET", self._path_of(name)), data)
            except NotFound:
                pass
            try:
                return await self._create(name, None, data, **members)
            except Conflict as error:
                # Created by somebody else since our 404: read it.
                if error.code != Code.NAME_TAKEN or attempt == CREATE_ATTEMPTS:
                    raise

    def _path_of(self, address: str) -> str:
        return f"{self._path}/{path_segment(address)}"

    def _parse(self, body: JsonObject, data: ModelData[Any]) -> Any:
        # The header of a stream has no revision.
        return self._handle(body["sid"], Header.of({"revision": "0", **body}), data)

    def _handle(self, address: str, header: Header | None, data: ModelData[Any]) -> Any:
        raise NotImplementedError
