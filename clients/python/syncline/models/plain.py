"""Turns dataclasses, models of packages and enums within a value into plain JSON values."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from enum import Enum
from typing import Any

from syncline_protocol.jsondata import DEPTH_LIMIT

from .misfit import Misfit
from .packages import package_schema

__all__ = ["plain"]


def plain(value: Any) -> Any:
    """Turn a value into dicts, lists and scalars.

    What has no form in JSON stays as it is: encoding refuses it, with its path.

    Raises:
        Misfit: the value contains itself.
    """
    return _plain(value, set())


def _plain(value: Any, outer: set[int]) -> Any:
    if value is None or type(value) in (str, int, float, bool):
        return value
    if isinstance(value, Enum):
        return _plain(value.value, outer)
    if isinstance(value, type):
        return value
    class_: Any = type(value)
    if (schema := package_schema(class_)) is not None:
        return schema.write(value)
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value) if field.init]
        return _container(value, [(name, getattr(value, name)) for name in names], outer, True)
    if isinstance(value, Mapping):
        return _container(value, list(value.items()), outer, True)
    if isinstance(value, list | tuple):
        return _container(value, list(enumerate(value)), outer, False)
    return value


def _container(value: Any, members: list[Any], outer: set[int], has_keys: bool) -> Any:
    if id(value) in outer:
        raise Misfit("it contains itself")
    if len(outer) >= DEPTH_LIMIT:
        raise Misfit(f"it is nested more than {DEPTH_LIMIT} deep")
    outer.add(id(value))
    converted = {}
    for key, member in members:
        try:
            converted[key] = _plain(member, outer)
        except Misfit as misfit:
            raise misfit.within(key) from None
    outer.discard(id(value))
    return converted if has_keys else list(converted.values())
