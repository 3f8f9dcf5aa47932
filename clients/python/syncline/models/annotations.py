"""Readers of JSON values, made from annotations."""

from __future__ import annotations

import collections.abc
import dataclasses
import types
import typing
from enum import Enum
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import orjson

from .misfit import Misfit
from .packages import package_schema
from .schema import Convert, Schema

__all__ = ["Readers"]

_LISTS = (list, collections.abc.Sequence, collections.abc.MutableSequence)
_DICTS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)
_MARKS = ("Required", "NotRequired", "ReadOnly", "Final", "ClassVar")

_JSON_NAMES = {dict: "an object", list: "an array", type(None): "null", int: "an int"}


class Readers:
    """Makes a reader of each annotation; one that refers to itself is made once."""

    def __init__(self) -> None:
        self._models: dict[Any, Convert] = {}
        self._fields: dict[Any, dict[str, Convert]] = {}

    def of(self, annotation: Any) -> Convert:
        """Make what turns a JSON value into a value of the annotated type.

        Raises:
            TypeError: JSON has no such values.
        """
        if annotation in (Any, object) or isinstance(annotation, TypeVar):
            return _same
        if annotation in (None, type(None)):
            return _exactly(type(None), "null")
        if annotation in (bool, str):
            return _exactly(annotation, annotation.__name__)
        if annotation is int:
            return _int
        if annotation is float:
            return _float
        if (inner := _unwrapped(annotation)) is not None:
            return self.of(inner)
        origin, arguments = get_origin(annotation) or annotation, get_args(annotation)
        if origin is Literal:
            return _literal(arguments)
        if origin in (Union, types.UnionType):
            # null last: its misfit says less than that of the other.
            ordered = sorted(arguments, key=lambda each: each is type(None))
            return _any_of([self.of(each) for each in ordered])
        if origin in _LISTS:
            return _list(self.of(arguments[0] if arguments else Any))
        if origin is tuple:
            return self._tuple(arguments)
        if origin in _DICTS:
            return self._dict(arguments)
        if isinstance(origin, type):
            return self._class(origin)
        raise TypeError(f"{annotation!r} is no type of JSON")

    def fields(self, model: Any) -> dict[str, Convert]:
        """The readers of the fields of a dataclass or TypedDict, which `of` has read."""
        return self._fields[model]

    def _class(self, class_: Any) -> Convert:
        if issubclass(class_, Enum):
            return _enum(class_)
        if (schema := package_schema(class_)) is not None:
            return _of_schema(schema)
        is_dict = issubclass(class_, dict) and hasattr(class_, "__required_keys__")
        if is_dict or dataclasses.is_dataclass(class_):
            return self._structure(class_, is_dict)
        raise TypeError(f"{class_.__name__} is no type of JSON")

    def _structure(self, model: Any, is_dict: bool) -> Convert:
        # Through the table: a model that refers to itself finds its reader there later.
        if model not in self._fields:
            self._fields[model] = {}
            hints = _hints(model)
            if is_dict:
                required = _required_keys(model, hints)
                names = list(hints)
            else:
                fields = [field for field in dataclasses.fields(model) if field.init]
                names = [field.name for field in fields]
                required = {field.name for field in fields if _is_required(field)}
            for name in names:
                try:
                    self._fields[model][name] = self.of(hints[name])
                except TypeError as error:
                    raise TypeError(f"{model.__name__}.{name}: {error}") from None
            read = _members(self._fields[model], required, keeps_others=is_dict)
            self._models[model] = read if is_dict else _instance(model, read)
        return lambda value: self._models[model](value)

    def _tuple(self, arguments: tuple[Any, ...]) -> Convert:
        if not arguments or arguments[-1] is Ellipsis:
            read = _list(self.of(arguments[0] if arguments else Any))
            return lambda value: tuple(read(value))
        return _fixed([self.of(each) for each in arguments])

    def _dict(self, arguments: tuple[Any, ...]) -> Convert:
        if arguments and arguments[0] not in (str, Any):
            raise TypeError("the keys of a JSON object are str")
        return _mapping(self.of(arguments[1] if arguments else Any))


def _hints(model: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(model, include_extras=True)
    except NameError as error:
        raise TypeError(
            f"the annotations of {model.__name__} cannot be resolved ({error}): define the names "
            "at the top of the module"
        ) from error


def _unwrapped(annotation: Any) -> Any:
    """What stands within `Annotated`, `Required`, a NewType or a type alias; None if nothing."""
    if get_origin(annotation) is typing.Annotated:
        return get_args(annotation)[0]
    if getattr(get_origin(annotation), "_name", None) in _MARKS:
        return get_args(annotation)[0]
    if isinstance(annotation, typing.NewType):
        return annotation.__supertype__
    return getattr(annotation, "__value__", None) if not isinstance(annotation, type) else None


def _required_keys(model: Any, hints: dict[str, Any]) -> set[str]:
    # Annotations that are strings hide `Required` and `NotRequired` from `__required_keys__`.
    marks = {name: getattr(get_origin(hint), "_name", None) for name, hint in hints.items()}
    return {
        name
        for name, mark in marks.items()
        if mark == "Required" or (mark != "NotRequired" and name in model.__required_keys__)
    }


def _is_required(field: dataclasses.Field[Any]) -> bool:
    missing = dataclasses.MISSING
    return field.default is missing and field.default_factory is missing


def _is_not(wanted: str, value: object) -> Misfit:
    article = _JSON_NAMES.get(type(value), f"a {type(value).__name__}")
    return Misfit(f"it is {article}, not {wanted}")


def _same(value: Any) -> Any:
    return value


def _exactly(type_: Any, wanted: str) -> Convert:
    shown = wanted if wanted == "null" else f"a {wanted}"

    def read(value: Any) -> Any:
        if not isinstance(value, type_):
            raise _is_not(shown, value)
        return value

    return read


def _int(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        raise _is_not("an int", value)
    return int(value)


def _float(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _is_not("a float", value)
    try:
        return float(value)
    except OverflowError:
        raise Misfit("it is larger than any float") from None


def _literal(values: tuple[Any, ...]) -> Convert:
    def read(value: Any) -> Any:
        for each in values:
            stored = each.value if isinstance(each, Enum) else each
            if stored == value and type(stored) is type(value):
                return each
        raise Misfit(f"it is none of {', '.join(map(repr, values))}")

    return read


def _enum(class_: Any) -> Convert:
    def read(value: Any) -> Any:
        try:
            return class_(value)
        except ValueError:
            raise Misfit(f"it is no {class_.__name__}") from None

    return read


def _any_of(readers: list[Convert]) -> Convert:
    def read(value: Any) -> Any:
        misfits = []
        for each in readers:
            try:
                return each(value)
            except Misfit as misfit:
                misfits.append(misfit)
        # The alternative that fits furthest names the fault best.
        raise max(misfits, key=lambda misfit: len(misfit.path))

    return read


def _list(reader: Convert) -> Convert:
    def read(value: Any) -> Any:
        if not isinstance(value, list | tuple):
            raise _is_not("an array", value)
        return [_within(reader, key, each) for key, each in enumerate(value)]

    return read


def _fixed(readers: list[Convert]) -> Convert:
    def read(value: Any) -> Any:
        if not isinstance(value, list | tuple):
            raise _is_not("an array", value)
        if len(value) != len(readers):
            raise Misfit(f"it has {len(value)} members, not {len(readers)}")
        pairs = zip(readers, value, strict=True)
        return tuple(_within(reader, key, each) for key, (reader, each) in enumerate(pairs))

    return read


def _mapping(reader: Convert) -> Convert:
    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            raise _is_not("an object", value)
        return {key: _within(reader, key, each) for key, each in value.items()}

    return read


def _members(readers: dict[str, Convert], required: set[str], *, keeps_others: bool) -> Convert:
    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            raise _is_not("an object", value)
        for name in required:
            if name not in value:
                raise Misfit("it is missing", (name,))
        known = {
            name: _within(reader, name, value[name])
            for name, reader in readers.items()
            if name in value
        }
        return {**value, **known} if keeps_others else known

    return read


def _instance(model: Any, read_members: Convert) -> Convert:
    def read(value: Any) -> Any:
        members = read_members(value)
        try:
            return model(**members)
        except (TypeError, ValueError) as error:
            raise Misfit(f"{model.__name__} refuses it: {error}") from error

    return read


def _of_schema(schema: Schema) -> Convert:
    def read(value: Any) -> Any:
        try:
            json = orjson.dumps(value)
        except TypeError as error:
            raise Misfit(f"it is not a JSON value ({error})") from error
        return schema.read(json)

    return read


def _within(reader: Convert, key: str | int, value: Any) -> Any:
    try:
        return reader(value)
    except Misfit as misfit:
        raise misfit.within(key) from None
