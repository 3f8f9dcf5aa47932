"""JSON patches (RFC 6902), applied in place to a parsed JSON value.

The cost of an operation is the steps of its pointers and the size of the value that it adds or
copies. It does not touch the rest of the data.
"""

from __future__ import annotations

import marshal
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

__all__ = [
    "MEMBERS",
    "POINTER_STEPS",
    "Misfit",
    "Operation",
    "copied",
    "found",
    "index_of",
    "parent_of",
    "parse_pointer",
]

MEMBERS = {
    "add": ("value",),
    "copy": ("from",),
    "move": ("from",),
    "remove": (),
    "replace": ("value",),
    "test": ("value",),
}
"""The members that each operation needs besides `op` and `path` (section 4), by `op`."""

POINTER_STEPS = 8
"""Fixed cost of a pointer, in steps; each of its names adds one step."""

_INDEX = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)
"""An array index. No array is so long that its indexes have more digits."""

_BAD_ESCAPE = re.compile(r"~(?![01])")

_END = "-"
"""The place after an array's last element."""

Pointer = list[str]
"""The names on the way to a place; an empty list means the whole value."""


class Misfit(Exception):
    """An operation that does not fit the value."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation; `source` is its `from` (empty if it has none), `value` may be None."""

    verb: str
    path: Pointer
    source: Pointer
    value: Any

    def apply(self, root: Any) -> Any:
        """Apply the operation.

        Returns:
            the new value: `root`, changed in place, or another one that replaces it.

        Raises:
            Misfit: the operation does not fit; a failed move may have removed its source already.
        """
        return _APPLY[self.verb](root, self)


def parse_pointer(text: str) -> Pointer:
    """The names in a JSON pointer (RFC 6901). Raises `ValueError` for any other text."""
    first, *names = text.split("/")
    if first:
        raise ValueError("a pointer is empty, or begins with a slash")
    if "~" in text:
        if _BAD_ESCAPE.search(text):
            raise ValueError("a tilde must be followed by 0 or 1")
        names = [name.replace("~1", "/").replace("~0", "~") for name in names]
    return names


def parent_of(root: Any, pointer: Pointer) -> Any:
    """The container of the place that a non-empty pointer leads to. Raises `Misfit`."""
    target = root
    for name in pointer[:-1]:
        if isinstance(target, dict) and name in target:
            target = target[name]
        elif isinstance(target, list):
            target = target[index_of(name, len(target))]
        else:
            raise Misfit
    return target


def index_of(name: str, length: int) -> int:
    """A pointer's name as an array index below `length`. Raises `Misfit`."""
    if not _INDEX.fullmatch(name) or int(name) >= length:
        raise Misfit
    return int(name)


def copied(value: Any) -> Any:
    """A copy that shares no container with the value. Raises `Misfit` if nested too deeply."""
    if not isinstance(value, dict | list):
        return value
    try:
        return marshal.loads(marshal.dumps(value))  # noqa: S302  # of our own value
    except ValueError:
        raise Misfit from None


def found(root: Any, pointer: Pointer) -> Any:
    """The value at a place. Raises `Misfit` if the place does not exist."""
    if not pointer:
        return root
    parent, last = parent_of(root, pointer), pointer[-1]
    if isinstance(parent, dict) and last in parent:
        return parent[last]
    if isinstance(parent, list):
        return parent[index_of(last, len(parent))]
    raise Misfit


def _put(root: Any, pointer: Pointer, value: Any) -> Any:
    """Add a value at a place, as the operation `add` does."""
    if not pointer:
        return value
    parent, last = parent_of(root, pointer), pointer[-1]
    if isinstance(parent, dict):
        parent[last] = value
    elif isinstance(parent, list):
        length = len(parent)
        parent.insert(length if last == _END else index_of(last, length + 1), value)
    else:
        raise Misfit
    return root


def _add(root: Any, operation: Operation) -> Any:
    # A copy: later operations may change the value, and the same patch may be applied again.
    return _put(root, operation.path, copied(operation.value))


def _remove(root: Any, operation: Operation) -> Any:
    if not operation.path:
        raise Misfit
    parent, last = parent_of(root, operation.path), operation.path[-1]
    if isinstance(parent, dict) and last in parent:
        del parent[last]
    elif isinstance(parent, list):
        del parent[index_of(last, len(parent))]
    else:
        raise Misfit
    return root


def _replace(root: Any, operation: Operation) -> Any:
    value = copied(operation.value)
    if not operation.path:
        return value
    parent, last = parent_of(root, operation.path), operation.path[-1]
    if isinstance(parent, dict) and last in parent:
        parent[last] = value
    elif isinstance(parent, list):
        parent[index_of(last, len(parent))] = value
    else:
        raise Misfit
    return root


def _move(root: Any, operation: Operation) -> Any:
    path, source = operation.path, operation.source
    if path != source and path[: len(source)] == source:
        raise Misfit  # into a part of itself
    value = found(root, source)
    if path == source:
        return root
    return _put(_remove(root, Operation("remove", source, [], None)), path, value)


def _copy(root: Any, operation: Operation) -> Any:
    return _put(root, operation.path, copied(found(root, operation.source)))


def _test(root: Any, operation: Operation) -> Any:
    if not _are_equal(found(root, operation.path), operation.value):
        raise Misfit
    return root


_APPLY: dict[str, Callable[[Any, Operation], Any]] = {
    "add": _add,
    "copy": _copy,
    "move": _move,
    "remove": _remove,
    "replace": _replace,
    "test": _test,
}


def _are_equal(first: Any, second: Any) -> bool:
    """Equality of section 4.6: numbers by value; `true` and `false` equal no number."""
    if first != second:
        return False  # what Python finds unequal is unequal in JSON; it finds True equal to 1
    try:
        texts = orjson.dumps(first), orjson.dumps(second)
    except orjson.JSONEncodeError:
        return _are_strictly_equal(first, second)
    if texts[0] == texts[1] or not any(b"true" in each or b"false" in each for each in texts):
        return True
    return _are_strictly_equal(first, second)


def _are_strictly_equal(first: Any, second: Any) -> bool:
    """`_are_equal` for two values that Python finds equal."""
    if isinstance(first, dict):
        return all(_are_strictly_equal(value, second[key]) for key, value in first.items())
    if isinstance(first, list):
        return all(map(_are_strictly_equal, first, second))
    return isinstance(first, bool) == isinstance(second, bool)
