"""Structs of msgspec."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .misfit import Misfit
from .schema import Convert

__all__ = ["MsgspecSchema"]

_PLACE = re.compile(r" - at `(?:key in )?\$([^`]*)`$")
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]|\[(\.\.\.)\]")


class MsgspecSchema:
    """One Struct. Its own configuration says what it accepts: names, unknown fields, tags."""

    def __init__(self, model: Any) -> None:
        # The model is msgspec's, so the package is there.
        import msgspec

        if model.__struct_config__.array_like:
            raise TypeError("an array-like Struct is no JSON object")
        self.name: str = model.__name__
        self._model = model
        self._msgspec: Any = msgspec
        self._decoder: Any = msgspec.json.Decoder(model)
        self._fields: dict[str, Convert] | None = None

    def accepts(self, value: object) -> bool:
        """True if `value` is an instance of the model."""
        return isinstance(value, self._model)

    def read(self, json: bytes) -> Any:
        """Make an instance from stored data."""
        return self._checked(self._decoder.decode, json)

    def write(self, value: Any) -> Any:
        """Turn an instance into plain JSON values."""
        try:
            return self._msgspec.to_builtins(value, str_keys=True)
        except (TypeError, ValueError, RecursionError) as error:
            raise Misfit(str(error)) from error

    def fields(self) -> Mapping[str, Convert]:
        """The fields by their encoded names."""
        if self._fields is None:
            declared = self._msgspec.structs.fields(self._model)
            self._fields = {each.encode_name: self._converter(each.type) for each in declared}
        return self._fields

    @property
    def accepts_others(self) -> bool:
        """False: a Struct keeps no other fields."""
        return False

    def _converter(self, type_: Any) -> Convert:
        def convert(value: Any) -> Any:
            written = self.write(value)
            self._checked(lambda each: self._msgspec.convert(each, type=type_), written)
            return written

        return convert

    def _checked(self, convert: Convert, value: Any) -> Any:
        try:
            return convert(value)
        except self._msgspec.ValidationError as error:
            text = str(error)
            place = _PLACE.search(text)
            if place is None:
                raise Misfit(text) from error
            steps = _STEP.findall(place[1])
            path = tuple(name or (int(index) if index else any_) for name, index, any_ in steps)
            raise Misfit(text[: place.start()], path) from error
