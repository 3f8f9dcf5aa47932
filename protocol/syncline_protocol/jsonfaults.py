"""Search for the part of a value that is not valid JSON, for error messages.

Slow, and used only after a value was refused or looks suspicious.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["INTEGERS", "Fault", "deep_place", "find_fault", "find_surrogate", "shown_path"]

INTEGERS = range(-(2**63), 2**64)
"""Integers that are stored exactly: those that fit 64 bits, signed or unsigned."""

PATH_SHOWN = 100
"""Maximum number of characters of a path in an error message."""

_SURROGATE = re.compile("[\ud800-\udfff]")

_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]')


@dataclass(frozen=True, slots=True)
class Fault:
    """One part of a value that is not valid JSON.

    Attributes:
        path: keys and indexes that lead to the part.
        reason: what is wrong with the part, as the end of a sentence.
    """

    path: tuple[str | int, ...]
    reason: str

    @property
    def place(self) -> str:
        """The path as a JSON pointer (RFC 6901), for an error message."""
        return shown_path(self.path)


def find_fault(value: Any, depth_limit: int) -> Fault | None:
    """Find the first part of a value that is not valid JSON; None if the value is valid.

    Args:
        value: any object; nested containers are traversed without recursion.
        depth_limit: maximum nesting of objects and arrays.
    """
    reason = _fault_of(value)
    if reason is not None:
        return Fault((), reason)
    path: list[Any] = []
    trail = [(value, _members(value))]
    while trail:
        entry = next(trail[-1][1], None)
        if entry is None:
            trail.pop()
            del path[-1:]
            continue
        key, item = entry
        reason = _fault_of_key(key) if isinstance(trail[-1][0], dict) else None
        if reason is not None:
            return Fault(tuple(path), reason)
        reason = _fault_of(item)
        if _is_container(item) and any(item is outer for outer, _ in trail):
            reason = "it contains itself"
        elif _is_container(item) and len(trail) >= depth_limit:
            reason = f"it is nested more than {depth_limit} deep"
        if reason is not None:
            return Fault((*path, key), reason)
        if _is_container(item):
            path.append(key)
            trail.append((item, _members(item)))
    return None


def find_surrogate(text: str) -> str | None:
    """Describe the first lone surrogate in a text and its place; None if there is none."""
    match = _SURROGATE.search(text)
    if match is None:
        return None
    half = ascii(match[0])[1:-1]
    return f"half of a surrogate pair ({half}) as character {match.start()}"


def deep_place(text: str, depth_limit: int) -> int | None:
    """Return the index of the first bracket nested more than `depth_limit` deep, or None."""
    depth = 0
    for match in _BRACKETS.finditer(text):
        bracket = match[0]
        depth += (bracket in "[{") - (bracket in "]}")
        if depth > depth_limit:
            return match.start()
    return None


def shown_path(path: tuple[str | int, ...]) -> str:
    """Format keys and indexes as a JSON pointer, shortened and with unprintable text escaped."""
    names = (str(name).replace("~", "~0").replace("/", "~1") for name in path)
    shown = "".join(f"/{name}" for name in names)
    shown = "".join(
        character if character.isprintable() else ascii(character)[1:-1] for character in shown
    )
    if len(shown) > PATH_SHOWN:
        shown = shown[: PATH_SHOWN - 1] + "…"
    return shown or "the top"


def _is_container(value: Any) -> bool:
    return isinstance(value, dict | list | tuple)


def _members(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, dict):
        return iter(value.items())
    return iter(enumerate(value)) if isinstance(value, list | tuple) else iter(())


def _fault_of_key(key: Any) -> str | None:
    # Python's encoder converts some types of keys to strings, in silence.
    if not isinstance(key, str):
        return f"it has a key of the type {type(key).__name__}; keys must be strings"
    half = find_surrogate(key) if isinstance(key, str) else None
    return None if half is None else f"it has a key with {half}, which UTF-8 cannot carry"


def _fault_of(value: Any) -> str | None:
    """Check the value itself, not what it contains."""
    if isinstance(value, str):
        half = find_surrogate(value)
        return None if half is None else f"it holds {half}, which UTF-8 cannot carry"
    if value is None or isinstance(value, bool) or _is_container(value):
        return None
    if isinstance(value, float):
        return None if math.isfinite(value) else f"{value} is not a JSON number"
    if isinstance(value, int):
        return _fault_of_integer(value)
    return f"a {type(value).__name__} is not a JSON value"


def _fault_of_integer(value: int) -> str | None:
    if value in INTEGERS:
        return None
    try:
        if int(float(value)) == value:
            return None
    except OverflowError:
        return "the integer is larger than any number of JSON may be"
    return (
        f"the integer {value} neither fits 64 bits nor is exactly a double; "
        "give a float, or a string"
        if abs(value) < 10**40
        else "the integer neither fits 64 bits nor is exactly a double; give a float, or a string"
    )
