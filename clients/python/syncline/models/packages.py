"""Recognizes the models of pydantic and msgspec without importing either."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from .msgspec_schema import MsgspecSchema
from .pydantic_schema import PydanticSchema
from .schema import Schema

__all__ = ["package_schema"]


@lru_cache(maxsize=256)
def package_schema(model: Any) -> Schema | None:
    """Return the schema of a model of pydantic or msgspec; None for any other class.

    Raises:
        TypeError: the model is no JSON object.
    """
    if hasattr(model, "__pydantic_validator__"):
        return PydanticSchema(model)
    if hasattr(model, "__struct_fields__"):
        return MsgspecSchema(model)
    return None
