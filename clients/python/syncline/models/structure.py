"""Dataclasses and TypedDict: what their annotations accept, without any package."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import orjson

from .annotations import Readers
from .plain import plain
from .schema import Convert

__all__ = ["StructureSchema"]


class StructureSchema:
    """One dataclass or TypedDict.

    Fields that the model does not have are ignored in a dataclass and stay in a TypedDict.
    """

    def __init__(self, model: Any) -> None:
        self.name: str = model.__name__
        self._model = model
        self._is_dataclass = dataclasses.is_dataclass(model)
        readers = Readers()
        self._reader = readers.of(model)
        self._fields = {name: _converter(reader) for name, reader in readers.fields(model).items()}

    def accepts(self, value: object) -> bool:
        """True if `value` is an instance of the dataclass, or a dict for a TypedDict."""
        return isinstance(value, self._model if self._is_dataclass else dict)

    def read(self, json: bytes) -> Any:
        """Make an instance from stored data."""
        return self._reader(orjson.loads(json))

    def write(self, value: Any) -> Any:
        """Turn an instance into plain JSON values."""
        return plain(value)

    def fields(self) -> Mapping[str, Convert]:
        """The fields by their names."""
        return self._fields

    @property
    def accepts_others(self) -> bool:
        """False: a name that the model does not have is a mistake."""
        return False


def _converter(reader: Convert) -> Convert:
    def convert(value: Any) -> Any:
        written = plain(value)
        reader(written)
        return written

    return convert
