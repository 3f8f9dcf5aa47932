# Made by scripts/generate-blocking. Do not edit: change the async source.
"""The maps of one service."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, overload

from syncline.header import Header, JsonObject
from syncline.model_data import ModelData
from syncline.type_variables import T
from syncline_protocol import objects

from .map import Map
from .objects import Objects

__all__ = ["Maps"]


class Maps(Objects):
    """The maps of one service, by SID or unique name."""

    object_type = objects.MAP

    @overload
    def at(self, address: str) -> Map[JsonObject]: ...

    @overload
    def at(self, address: str, *, model: type[T]) -> Map[T]: ...

    def at(self, address: str, *, model: Any = None) -> Any:
        """The handle of a map, without a request: it must exist before it is used."""
        return self._at(address, model)

    @overload
    def get(self, address: str) -> Map[JsonObject]: ...

    @overload
    def get(self, address: str, *, model: type[T]) -> Map[T]: ...

    def get(self, address: str, *, model: Any = None) -> Any:
        """Read a map.

        Raises:
            NotFound: there is none.
        """
        return self._get(address, model)

    def __getitem__(self, address: str) -> Map[JsonObject]:
        """As `get`, without a model."""
        return self.get(address)

    @overload
    def create(
        self,
        unique_name: str | None = None,
        *,
        ttl: int | None = None,
        sid: str | None = None,
        operation_id: str | None = None,
    ) -> Map[JsonObject]: ...

    @overload
    def create(
        self,
        unique_name: str | None = None,
        *,
        model: type[T],
        ttl: int | None = None,
        sid: str | None = None,
        operation_id: str | None = None,
    ) -> Map[T]: ...

    def create(
        self,
        unique_name: str | None = None,
        *,
        model: Any = None,
        ttl: int | None = None,
        sid: str | None = None,
        operation_id: str | None = None,
    ) -> Any:
        """Create a map.

        Args:
            unique_name: None for a map without a name.
            model: as in `Objects`.
            ttl: time to live in seconds; None or 0: never expires.
            sid: a SID of your own; None lets the server choose.
            operation_id: your own operation id, of up to 64 characters. Within 120 s a second call
                with it gets the answer of the first. None makes one.

        Raises:
            Conflict: the name or the SID is taken.
            InvalidRequest: a value is not allowed.
        """
        return self._create(unique_name, operation_id, ModelData(model), ttl=ttl, sid=sid)

    @overload
    def get_or_create(self, unique_name: str, *, ttl: int | None = None) -> Map[JsonObject]: ...

    @overload
    def get_or_create(
        self, unique_name: str, *, model: type[T], ttl: int | None = None
    ) -> Map[T]: ...

    def get_or_create(self, unique_name: str, *, model: Any = None, ttl: int | None = None) -> Any:
        """Read a map, or create it if there is none; arguments as in `create`.

        `ttl` counts only if it is created.
        """
        return self._get_or_create(unique_name, ModelData(model), ttl=ttl)

    @overload
    def list(
        self, *, limit: int | None = None, page_size: int = 50
    ) -> Iterator[Map[JsonObject]]: ...

    @overload
    def list(
        self, *, model: type[T], limit: int | None = None, page_size: int = 50
    ) -> Iterator[Map[T]]: ...

    def list(
        self, *, model: Any = None, limit: int | None = None, page_size: int = 50
    ) -> Iterator[Any]:
        """Iterate over the maps; each page is read when it is needed.

        Args:
            model: as in `Objects`.
            limit: maximum number of maps; None for all.
            page_size: number of maps that are read at once, 1 to 100.

        Raises:
            ValueError: an argument is out of range.
        """
        return self._list(model, limit, page_size)

    def __iter__(self) -> Iterator[Map[JsonObject]]:
        """As `list`."""
        return self.list()

    def _handle(self, address: str, header: Header | None, data: ModelData[Any]) -> Any:
        return Map(self._http, address, header, data=data)
