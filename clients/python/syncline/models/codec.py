"""Converts between stored data and the model of a handle."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Generic, cast

import orjson

from syncline.encoding import encode_data, place_of
from syncline.errors import InvalidRequest, ModelMismatch, RequestError, UsageError
from syncline.header import JsonObject
from syncline.type_variables import T
from syncline_protocol.errors import Code

from .misfit import Misfit
from .packages import package_schema
from .schema import Schema
from .structure import StructureSchema
from .unknown import keep_unknown

__all__ = ["ModelCodec", "codec_of"]

_MODELS = "a model is a dataclass, a TypedDict, a pydantic model (version 2) or a msgspec Struct"


class ModelCodec(Generic[T]):
    """Converts the data of one model. Immutable, and so shared by all handles of the model."""

    def __init__(self, model: type[T], schema: Schema) -> None:
        """Made by `codec_of`."""
        self._model = model
        self._schema = schema

    def __reduce__(self) -> tuple[Any, ...]:
        # Items and events are pickled with their model, which a worker process imports.
        return codec_of, (self._model,)

    @property
    def name(self) -> str:
        """Name of the model."""
        return self._schema.name

    def decode(self, json: bytes, *, applied: bool = False) -> T:
        """Make an instance of the model from stored data.

        Args:
            applied: True if a write of the caller has led to this data.

        Raises:
            ModelMismatch: the data does not fit the model.
        """
        try:
            value: T = self._schema.read(json)
        except Misfit as misfit:
            raise ModelMismatch(
                self.name, place_of(misfit.path), misfit.reason, json, applied
            ) from misfit
        return value

    def encode(self, value: T, limit: int | None) -> bytes:
        """Encode an instance as compact JSON; `limit` as in `encode_data`.

        Raises:
            InvalidRequest: `value` is no instance of the model, a part of it is no JSON value, or
                the result could not be read back.
            TooLarge: the data is larger than `limit`.
        """
        return self._encode(self._written(value), limit)

    def encode_over(self, value: T, stored: bytes, limit: int | None) -> bytes:
        """Encode what replaces `stored`, and keep fields of it that the model does not have.

        Raises:
            InvalidRequest, TooLarge: as in `encode`.
        """
        written = self._written(value)
        before = orjson.loads(stored)
        known = self._written(self._schema.read(stored))
        return self._encode(keep_unknown(before, known, written), limit)

    def encode_changes(self, changes: Mapping[str, Any]) -> JsonObject:
        """Turn new values of some fields into plain JSON values.

        Raises:
            InvalidRequest: there is no such field, or a value does not fit it.
        """
        if not isinstance(changes, Mapping):
            raise _invalid(f"The changes must be a mapping, not {type(changes).__name__}.")
        fields = self._schema.fields()
        written: JsonObject = {}
        for name, value in changes.items():
            convert = fields.get(name)
            if convert is None and not self._schema.accepts_others:
                raise _invalid(
                    f"{self.name} has no field {name!r}; the fields are {', '.join(fields)}."
                )
            try:
                written[name] = value if convert is None else convert(value)
            except Misfit as misfit:
                raise self._refusal(misfit.within(name)) from misfit
        return written

    def _written(self, value: T) -> JsonObject:
        if not self._schema.accepts(value):
            raise _invalid(f"The data must be a {self.name}, not {type(value).__name__}.")
        try:
            written: JsonObject = self._schema.write(value)
        except Misfit as misfit:
            raise self._refusal(misfit) from misfit
        return written

    def _encode(self, written: JsonObject, limit: int | None) -> bytes:
        json = encode_data(written, limit)
        try:
            # What this program could not read again is not written.
            self._schema.read(json)
        except Misfit as misfit:
            raise self._refusal(misfit) from misfit
        return json

    def _refusal(self, misfit: Misfit) -> RequestError:
        return _invalid(
            f"{place_of(misfit.path)}: {misfit.reason}. The data does not fit {self.name}."
        )


def codec_of(model: type[T]) -> ModelCodec[T]:
    """Make the codec of a model.

    Raises:
        UsageError: `model` is none, or has a field whose type JSON does not have.
    """
    # `type[T]` takes a TypedDict too, whose class is a type like any other at run time.
    if not isinstance(model, type):
        raise UsageError(f"model must be a class, not {type(model).__name__}; {_MODELS}")
    try:
        return ModelCodec(model, _schema_of(cast(Any, model)))
    except TypeError as error:
        raise UsageError(f"model={model.__name__} cannot be used: {error}") from error


@lru_cache(maxsize=256)
def _schema_of(model: Any) -> Schema:
    schema = package_schema(model)
    if schema is not None:
        return schema
    if dataclasses.is_dataclass(model) or hasattr(model, "__required_keys__"):
        return StructureSchema(model)
    raise TypeError(_MODELS)


def _invalid(message: str) -> RequestError:
    return InvalidRequest.local(Code.INVALID_JSON, message)
