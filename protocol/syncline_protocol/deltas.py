"""Deltas between two revisions of a document, as JSON patches (RFC 6902).

Pure functions. A delta never changes the meaning of an event, it only shortens it: `between` checks
that the delta leads to the new data, and `applied` compares the digest of its result.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import compress, count
from operator import ne
from typing import Any

import orjson

from .canonical import digest, in_order

__all__ = [
    "LARGEST_SHARE",
    "OPERATIONS_LIMIT",
    "SMALLEST_DATA",
    "Delta",
    "Inapplicable",
    "Operation",
    "apply",
    "applied",
    "between",
    "diff",
]

SMALLEST_DATA = 256
"""Data that is smaller than this, in bytes, is always sent as a whole."""

LARGEST_SHARE = 0.7
"""Maximum size of the operations as a share of the data; longer ones save too little."""

OPERATIONS_LIMIT = 256
"""Maximum number of operations in one delta."""

_DESCENT_LIMIT = 8
"""Nesting levels that are compared member by member; each level costs one comparison of everything
below it."""

_LOOKAHEAD = 8
"""How far ahead in an array to search for an element that insertions or removals have shifted."""

_INDEX = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)

Operation = dict[str, Any]
"""An operation of RFC 6902: `add`, `replace` or `remove`."""


class Inapplicable(ValueError):
    """The delta does not fit the data, or does not lead to the data that the sender meant."""


@dataclass(frozen=True, slots=True)
class Delta:
    """Difference between the data of two revisions.

    Attributes:
        operations: JSON array of `Operation`s.
        digest: digest of the data after the operations (`canonical.digest`).
    """

    operations: bytes
    digest: str


def between(before: bytes, after: bytes) -> Delta | None:
    """Compute the delta from `before` to `after`; None if it is not worth sending.

    Args:
        before, after: JSON objects in their stored form.
    """
    if len(after) < SMALLEST_DATA:
        return None
    value, goal = orjson.loads(before), orjson.loads(after)
    operations = diff(value, goal)
    if operations is None:
        return None
    text = orjson.dumps(operations)
    if len(text) > LARGEST_SHARE * len(after):
        return None
    apply(value, operations)
    # `diff` compares with `==`, for which 1, 1.0 and True are equal: compare the encoded forms too.
    written = in_order(goal)
    if in_order(value) != written:
        return None
    return Delta(text, digest(goal, written))


def applied(before: bytes, operations: Any, expected: Any) -> bytes:
    """Apply a delta and return the resulting data as compact JSON.

    Args:
        before: the JSON object that the delta begins from.
        operations: parsed but unchecked operations from the peer.
        expected: the digest in the delta.

    Raises:
        Inapplicable: the operations do not fit `before`, or the result has another digest.
    """
    value = orjson.loads(before)
    apply(value, operations)
    try:
        after = orjson.dumps(value)
        found = digest(value)
    except (ValueError, orjson.JSONEncodeError) as error:
        raise Inapplicable(str(error)) from None
    if found != expected:
        raise Inapplicable(f"the digest is {found}, not {expected!r}")
    return after


def apply(value: dict[str, Any], operations: Any) -> None:
    """Apply untrusted operations to `value` in place; `value` then shares members with them.

    Raises:
        Inapplicable: `operations` is malformed or does not fit; some may have been applied.
    """
    if not isinstance(operations, list) or len(operations) > OPERATIONS_LIMIT:
        raise Inapplicable(f"a delta has at most {OPERATIONS_LIMIT} operations")
    for operation in operations:
        try:
            _apply(value, operation)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError):
            raise Inapplicable("an operation does not fit the data") from None


def diff(before: dict[str, Any], after: dict[str, Any]) -> list[Operation] | None:
    """Compute the operations from `before` to `after`; None if there are too many.

    Values that are equal in Python count as unchanged, even if their types differ (1 and 1.0). The
    operations share values with `after`.
    """
    try:
        difference = _Difference()
        difference.objects(before, after, "", 0)
    except _TooMany:
        return None
    return difference.operations


class _TooMany(Exception):
    """The difference needs more operations than a delta may have."""


class _Difference:
    """Collects operations; `path` is always a JSON pointer (RFC 6901)."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []

    def objects(self, before: dict[str, Any], after: dict[str, Any], path: str, depth: int) -> None:
        """Compare two objects."""
        for key in before:
            if key not in after:
                self._note("remove", f"{path}/{_escaped(key)}")
        for key, value in after.items():
            if key not in before:
                self._note("add", f"{path}/{_escaped(key)}", value)
            elif before[key] != value:
                self._values(before[key], value, f"{path}/{_escaped(key)}", depth + 1)

    def _lists(self, before: list[Any], after: list[Any], path: str, depth: int) -> None:
        """Compare two arrays; insertions and removals are found if the arrays match again soon."""
        shared = min(len(before), len(after))
        start = _equal(before, after, shared)
        end = _equal(reversed(before), reversed(after), shared - start)
        olds, news = before[start : len(before) - end], after[start : len(after) - end]
        old = new = 0
        while old < len(olds) and new < len(news):
            if olds[old] == news[new]:
                old, new = old + 1, new + 1
                continue
            removed, added = _shift(olds, news, old, new)
            if removed or added:
                self._splice(path, start + new, removed, news[new : new + added])
            else:
                self._values(olds[old], news[new], f"{path}/{start + new}", depth + 1)
                removed = added = 1
            old, new = old + removed, new + added
        self._splice(path, start + new, len(olds) - old, news[new:])

    def _splice(self, path: str, place: int, removed: int, added: list[Any]) -> None:
        for _ in range(removed):
            self._note("remove", f"{path}/{place}")
        for offset, value in enumerate(added):
            self._note("add", f"{path}/{place + offset}", value)

    def _values(self, before: Any, after: Any, path: str, depth: int) -> None:
        """Compare two values that are known to differ."""
        is_deep = depth >= _DESCENT_LIMIT
        if not is_deep and isinstance(before, dict) and isinstance(after, dict):
            self.objects(before, after, path, depth)
        elif not is_deep and isinstance(before, list) and isinstance(after, list):
            self._lists(before, after, path, depth)
        else:
            self._note("replace", path, after)

    def _note(self, verb: str, path: str, *value: Any) -> None:
        if len(self.operations) == OPERATIONS_LIMIT:
            raise _TooMany
        self.operations.append({"op": verb, "path": path, **({"value": value[0]} if value else {})})


def _equal(before: Any, after: Any, limit: int) -> int:
    """Count equal elements at the beginning of two sequences, up to `limit`."""
    return min(limit, next(compress(count(), map(ne, before, after)), limit))


def _shift(olds: list[Any], news: list[Any], old: int, new: int) -> tuple[int, int]:
    """Count the elements removed and added at this place; (0, 0) if one element was replaced."""
    if olds[old + 1 : old + 2] == news[new + 1 : new + 2]:
        return 0, 0
    for distance in range(1, _LOOKAHEAD + 1):
        if news[new + distance : new + distance + 1] == olds[old : old + 1]:
            return 0, distance
        if olds[old + distance : old + distance + 1] == news[new : new + 1]:
            return distance, 0
    return 0, 0


def _apply(value: dict[str, Any], operation: Operation) -> None:
    verb = operation["op"]
    # An empty path means the whole data, which no delta replaces: the unpacking then fails.
    root, *parents, last = map(_unescaped, operation["path"].split("/"))
    if root:
        raise ValueError
    target: Any = value
    for name in parents:
        target = target[name] if isinstance(target, dict) else target[_index(name, target)]
    match verb, target:
        case "add", dict():
            target[last] = operation["value"]
        case "add", list():
            target.insert(_index(last, target, more=1), operation["value"])
        case "replace", dict() if last in target:
            target[last] = operation["value"]
        case "replace", list():
            target[_index(last, target)] = operation["value"]
        case "remove", dict():
            del target[last]
        case "remove", list():
            del target[_index(last, target)]
        case _:
            raise ValueError


def _index(name: str, elements: list[Any], more: int = 0) -> int:
    if not _INDEX.fullmatch(name) or int(name) >= len(elements) + more:
        raise IndexError
    return int(name)


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _unescaped(name: str) -> str:
    return name.replace("~1", "/").replace("~0", "~")
