"""Models of pydantic, version 2: `BaseModel` and pydantic's dataclasses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .misfit import Misfit
from .schema import Convert

__all__ = ["PydanticSchema"]


class PydanticSchema:
    """One model. Its own configuration says what it accepts: aliases, extra fields, strictness."""

    def __init__(self, model: Any) -> None:
        # The model is pydantic's, so the package is there.
        from pydantic import TypeAdapter

        self.name: str = model.__name__
        self._model = model
        self._adapt: Any = TypeAdapter
        self._adapter: Any = TypeAdapter(model)
        self._fields: dict[str, Convert] | None = None

    def accepts(self, value: object) -> bool:
        """True if `value` is an instance of the model."""
        return isinstance(value, self._model)

    def read(self, json: bytes) -> Any:
        """Make an instance from stored data."""
        return _checked(self._adapter.validate_json, json)

    def write(self, value: Any) -> Any:
        """Turn an instance into plain JSON values."""
        return _dump(self._adapter, value)

    def fields(self) -> Mapping[str, Convert]:
        """The fields by their aliases, if they have some."""
        if self._fields is None:
            declared: dict[str, Any] = (
                getattr(self._model, "model_fields", None) or self._model.__pydantic_fields__
            )
            self._fields = {
                field.serialization_alias or field.alias or name: self._converter(field)
                for name, field in declared.items()
            }
        return self._fields

    @property
    def accepts_others(self) -> bool:
        """True if the model allows extra fields."""
        config = getattr(self._model, "model_config", None)
        if config is None:
            config = getattr(self._model, "__pydantic_config__", {})
        return bool(config.get("extra") == "allow")

    def _converter(self, field: Any) -> Convert:
        adapter = self._adapt(field.rebuild_annotation())
        return lambda value: _dump(adapter, _checked(adapter.validate_python, value))


def _checked(validate: Convert, value: Any) -> Any:
    from pydantic import ValidationError

    try:
        return validate(value)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        others = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise Misfit(faults[0]["msg"] + others, tuple(faults[0]["loc"])) from error


def _dump(adapter: Any, value: Any) -> Any:
    from pydantic_core import PydanticSerializationError

    try:
        # Without warnings: what does not fit is refused when the result is read.
        return adapter.dump_python(value, mode="json", by_alias=True, warnings=False)
    except (PydanticSerializationError, ValueError) as error:
        raise Misfit(str(error)) from error
