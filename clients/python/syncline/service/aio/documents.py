"""The documents of one service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, overload

from syncline.header import Header, JsonObject
from syncline.model_data import ModelData
from syncline.snapshot import Snapshot
from syncline.type_variables import T
from syncline_protocol import objects

from .document import AsyncDocument
from .objects import AsyncObjects

__all__ = ["AsyncDocuments"]


class AsyncDocuments(AsyncObjects):
    """The documents of one service, by SID or unique name."""

    object_type = objects.DOCUMENT

    @overload
    def at(self, address: str) -> AsyncDocument[JsonObject]: ...

    @overload
    def at(self, address: str, *, model: type[T]) -> AsyncDocument[T]: ...

    def at(self, address: str, *, model: Any = None) -> Any:
        """The handle of a document, without a request: it must exist before it is used."""
        return self._at(address, model)

    @overload
    async def get(self, address: str) -> AsyncDocument[JsonObject]: ...

    @overload
    async def get(self, address: str, *, model: type[T]) -> AsyncDocument[T]: ...

    async def get(self, address: str, *, model: Any = None) -> Any:
        """Read a document.

        Raises:
            NotFound: there is none.
        """
        return await self._get(address, model)

    async def __getitem__(self, address: str) -> AsyncDocument[JsonObject]:
        """As `get`, without a model."""
        return await self.get(address)

    @overload
    async def create(
        self,
        unique_name: str | None = None,
        data: JsonObject | None = None,
        *,
        ttl: int | None = None,
        sid: str | None = None,
        operation_id: str | None = None,
    ) -> AsyncDocument[JsonObject]: ...

    @overload
    async def create(
        self,
        unique_name: str | None = None,
        data: T | None = None,
        *,
        model: type[T],
        ttl: int | None = None,
        sid: str | None = None,
        operation_id: str | None = None,
    ) -> AsyncDocument[T]: ...

    async def create(
        self,
        unique_name: str | None = None,
        data: Any | None = None,
        *,
        model: Any = None,
        ttl: int | None = None,
        sid: str | None = None,
        operation_id: str | None = None,
    ) -> Any:
        """Create a document.

        Args:
            unique_name: None for a document without a name.
            data: a JSON object, with a model an instance of it; None is an empty object.
            model: as in `AsyncObjects`.
            ttl: time to live in seconds; None or 0: never expires.
            sid: a SID of your own; None lets the server choose.
            operation_id: your own operation id, of up to 64 characters. Within 120 s a second call
                with it gets the answer of the first. None makes one.

        Raises:
            Conflict: the name or the SID is taken.
            InvalidRequest: a value is not allowed.
            TooLarge: `data` is larger than the server accepts.
        """
        codec: ModelData[Any] = ModelData(model)
        json = None if data is None else codec.encode(data, None)
        return await self._create(unique_name, operation_id, codec, json=json, ttl=ttl, sid=sid)

    @overload
    async def get_or_create(
        self, unique_name: str, data: JsonObject | None = None, *, ttl: int | None = None
    ) -> AsyncDocument[JsonObject]: ...

    @overload
    async def get_or_create(
        self, unique_name: str, data: T | None = None, *, model: type[T], ttl: int | None = None
    ) -> AsyncDocument[T]: ...

    async def get_or_create(
        self,
        unique_name: str,
        data: Any | None = None,
        *,
        model: Any = None,
        ttl: int | None = None,
    ) -> Any:
        """Read a document, or create it if there is none; arguments as in `create`.

        `data` and `ttl` count only if it is created.
        """
        codec: ModelData[Any] = ModelData(model)
        json = None if data is None else codec.encode(data, None)
        return await self._get_or_create(unique_name, codec, json=json, ttl=ttl)

    @overload
    def list(
        self, *, limit: int | None = None, page_size: int = 50
    ) -> AsyncIterator[AsyncDocument[JsonObject]]: ...

    @overload
    def list(
        self, *, model: type[T], limit: int | None = None, page_size: int = 50
    ) -> AsyncIterator[AsyncDocument[T]]: ...

    def list(
        self, *, model: Any = None, limit: int | None = None, page_size: int = 50
    ) -> AsyncIterator[Any]:
        """Iterate over the documents; each page is read when it is needed.

        Args:
            model: as in `AsyncObjects`.
            limit: maximum number of documents; None for all.
            page_size: number of documents that are read at once, 1 to 100.

        Raises:
            ValueError: an argument is out of range.
        """
        return self._list(model, limit, page_size)

    def __aiter__(self) -> AsyncIterator[AsyncDocument[JsonObject]]:
        """As `list`."""
        return self.list()

    def _parse(self, body: JsonObject, data: ModelData[Any]) -> Any:
        # The reply to a repeated operation lacks the data if the document has changed since.
        known = Snapshot.parse(body) if "data" in body else None
        return self._handle(body["sid"], known, data)

    def _handle(self, address: str, header: Header | None, data: ModelData[Any]) -> Any:
        return AsyncDocument(self._http, address, header, data=data)
