"""The data of one handle: plain JSON, or instances of a model."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Mapping
from typing import Any, Generic, cast

import orjson

from .encoding import encode_data
from .errors import RequestError
from .header import JsonObject
from .item import Item
from .models.codec import ModelCodec, codec_of
from .mutation import MapMutator
from .snapshot import Snapshot
from .type_variables import K, T

__all__ = ["ModelData"]

logger = logging.getLogger("syncline")


class ModelData(Generic[T]):
    """Encodes and decodes the data of one handle.

    Attributes:
        codec: the codec of the model; None if the handle has none.
    """

    def __reduce__(self) -> tuple[type[ModelData[T]], tuple[type[T] | None]]:
        """Pickled by the name of the model."""
        return type(self), (self._given,)

    def __init__(self, model: type[T] | None) -> None:
        """
        Raises:
            UsageError: `model` cannot be used.
        """
        self._given = model
        self.codec: ModelCodec[T] | None = None if model is None else codec_of(model)

    def decode(self, json: bytes, *, applied: bool = False) -> T:
        """Decode stored data.

        Raises:
            ModelMismatch: it does not fit the model; `applied` says that a write has led to it.
        """
        if self.codec is None:
            return cast(T, orjson.loads(json))
        return self.codec.decode(json, applied=applied)

    def encode(self, data: T, limit: int | None) -> bytes:
        """Encode what replaces all data; `limit` as in `encode_data`.

        Raises:
            InvalidRequest: it is no JSON object, or does not fit the model.
            TooLarge: it is larger than `limit`.
        """
        return encode_data(data, limit) if self.codec is None else self.codec.encode(data, limit)

    def encode_changes(self, changes: Mapping[str, Any], limit: int | None) -> JsonObject:
        """Check new values by key, and turn them into plain JSON values.

        Raises:
            InvalidRequest, TooLarge: as in `encode`.
        """
        if self.codec is None:
            new = dict(changes) if isinstance(changes, Mapping) else changes
        else:
            new = self.codec.encode_changes(changes)
        encode_data(new, limit)
        return new

    async def apply(
        self, fn: MapMutator[T], stored: bytes | None, limit: int | None
    ) -> bytes | None:
        """Call the function of a `mutate`; encode its result.

        Args:
            stored: the data to change; None calls `fn` with None.
            limit: as in `encode_data`.

        Returns:
            None if nothing is to be written.

        Raises:
            ModelMismatch: the stored data does not fit the model.
            InvalidRequest, TooLarge: as in `encode`.
        """
        passed = None if stored is None else self.decode(stored)
        data = fn(passed)
        if inspect.isawaitable(data):
            data = await data
        return self.encode_result(data, passed, stored, limit)

    def encode_result(
        self, data: T | None, passed: T | None, stored: bytes | None, limit: int | None
    ) -> bytes | None:
        """Encode what the function of a `mutate` returned; None if nothing is to be written.

        Args:
            data: what it returned.
            passed: what it was called with, decoded from `stored`.

        Raises:
            InvalidRequest, TooLarge: as in `encode`.
        """
        if data is not None:
            return self.encode_over(data, stored, limit)
        if passed is not None and stored is not None and self._differs(passed, stored):
            # Allowed, but far more often a `return` was forgotten.
            logger.warning(
                "the function of mutate changed its copy of the data and returned None: nothing is"
                " written; return the data to write it"
            )
        return None

    def encode_over(self, data: T, stored: bytes | None, limit: int | None) -> bytes:
        """Encode what replaces `stored`; fields of it that the model does not have are kept.

        Raises:
            InvalidRequest, TooLarge: as in `encode`.
        """
        if stored is None or self.codec is None:
            return self.encode(data, limit)
        return self.codec.encode_over(data, stored, limit)

    def snapshot(self, snapshot: Snapshot[Any]) -> Snapshot[T]:
        """Give a state of a document the data of the model."""
        return snapshot if self.codec is None else snapshot.with_codec(self.codec)

    def item(self, item: Item[Any, K]) -> Item[T, K]:
        """Give an item the data of the model."""
        return item if self.codec is None else item.with_codec(self.codec)

    def _differs(self, data: T, stored: bytes) -> bool:
        before = self.encode(self.decode(stored), None)
        try:
            return self.encode(data, None) != before
        except RequestError:
            return True
