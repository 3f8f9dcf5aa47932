"""Reading JSON from strangers.

Stricter than RFC 8259 asks, so that every reader of a document sees the same value: no duplicate
keys, no NaN or Infinity, no lone surrogate, and a bound on nesting. An integer outside 64 bits is
the double it denotes, as JavaScript writes and reads it.
"""

from __future__ import annotations

import json
import math
import re
from array import array
from collections import Counter
from itertools import accumulate
from typing import Any, NoReturn

import orjson

from .errors import Code, Refusal
from .fields import show
from .jsonfaults import INTEGERS, deep_place, find_fault

__all__ = [
    "DEPTH_LIMIT",
    "INTEGERS",
    "TEXT_DEPTH_LIMIT",
    "compact",
    "integer",
    "parse",
    "parse_object",
    "values_in",
    "values_limit",
]

DEPTH_LIMIT = 64
"""Objects and arrays within each other in a document's data, the outermost included."""

TEXT_DEPTH_LIMIT = DEPTH_LIMIT + 4
"""The same in a whole text: a request may wrap data, a JSON patch puts three levels around it."""

_INTEGER_DIGITS = 20  # digits of the longest number in `INTEGERS`

VALUES_SPARE = 8_192
"""Commas and opening brackets that a text may have beside those of the largest document."""

_CONSTANTS = re.compile(r'"(?:[^"\\]|\\.)*"|(NaN|-?Infinity)')

_LONG_INTEGER = re.compile(r"[0-9]{19}")
"""What an integer outside that range has somewhere; so may strings and other numbers."""

_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"')

_LEVELS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
"""What a bracket adds to the level that a reader is at, as a signed byte."""

_NO_BRACKETS = bytes(set(range(128)) - set(b"[]{}"))


class _Unacceptable(ValueError):
    """JSON that is well-formed but not accepted; its text says why."""


class _Constant(ValueError):
    """A constant of JavaScript that is not JSON; its text names it."""


def parse(text: str | bytes, field: str, values_limit: int | None = None) -> Any:
    """The value of a JSON text.

    Args:
        text: JSON; bytes must be UTF-8.
        field: what the text is, for the error's sentence ("Data", "The request body").
        values_limit: commas and opening brackets that the text may have; None for a text of our
            own user.

    Raises:
        Refusal: `INVALID_JSON`, for anything that is not acceptable; `TOO_LARGE`.
    """
    if values_limit is not None and values_in(text) > values_limit:
        raise Refusal(
            Code.TOO_LARGE,
            f"{field} has {values_in(text)} commas and opening brackets; at most {values_limit} "
            "are allowed.",
        )
    try:
        decoded = text.decode() if isinstance(text, bytes) else text
    except UnicodeDecodeError:
        raise Refusal(Code.INVALID_JSON, f"{field} is not valid UTF-8.") from None
    try:
        return _parse(decoded)
    except _Unacceptable as error:
        raise _unacceptable(field, str(error)) from None
    except json.JSONDecodeError as error:
        raise Refusal(
            Code.INVALID_JSON, f"{field} is not valid JSON: {error.msg} at character {error.pos}."
        ) from None
    except RecursionError:
        raise _unacceptable(field, _too_deep(decoded)) from None


def compact(value: Any, field: str) -> bytes:
    """`value` as compact UTF-8 JSON, the form that is stored and measured.

    Raises:
        Refusal: `INVALID_JSON` where a string holds a lone surrogate, which UTF-8 cannot carry, or
            where the nesting is beyond what can be written; it says which, and where.
    """
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError as error:
        raise _faulty(value, field, str(error)) from None


def parse_object(value: Any, field: str, limit: int) -> bytes:
    """A document's data, from its parsed JSON value to the compact bytes that are stored.

    Args:
        value: the parsed value.
        field: its name in the request.
        limit: the largest size, in bytes.

    Raises:
        Refusal: `INVALID_DATA` for null, `INVALID_JSON` for what is not an object or nested too
            deeply, `TOO_LARGE`.
    """
    if value is None:
        raise Refusal(Code.INVALID_DATA, f"{field} must be a JSON object; null was given.")
    if not isinstance(value, dict):
        raise Refusal(
            Code.INVALID_JSON,
            "Invalid request body: the type of one of the attributes is invalid. "
            f"{field} must be a JSON object; {show(value)} was given.",
        )
    data = compact(value, field)
    if len(data) > limit:
        raise Refusal(
            Code.TOO_LARGE,
            f"{field} is {len(data)} bytes as compact JSON; at most {limit} are allowed.",
        )
    if data.count(b"{") + data.count(b"[") > DEPTH_LIMIT and _deeper_than(
        data.decode(), DEPTH_LIMIT
    ):
        raise _faulty(value, field, "it is nested too deeply")
    return data


def values_limit(data_limit: int) -> int:
    """What `parse` is to allow where documents have at most so many bytes."""
    return data_limit + VALUES_SPARE


def values_in(text: str | bytes) -> int:
    """How many values a JSON text has at most: what it costs to parse it."""
    if isinstance(text, str):
        return text.count(",") + text.count("[") + text.count("{") + 1
    return text.count(b",") + text.count(b"[") + text.count(b"{") + 1


def integer(text: str) -> int | float:
    """The number that an integer literal denotes: the nearest double where it does not fit 64 bits,
    which is infinite for one of hundreds of digits."""
    if len(text) <= _INTEGER_DIGITS:
        number = int(text)
        if number in INTEGERS:
            return number
    return float(text)


def _parse(text: str) -> Any:
    # A call for each integer doubles the time of arrays of them, and few texts have long ones.
    decoder = _CAREFUL_DECODER if _LONG_INTEGER.search(text) else _DECODER
    try:
        value = decoder.decode(text)
    except _Constant as error:
        place = next(match.start(1) for match in _CONSTANTS.finditer(text) if match[1])
        raise _Unacceptable(f"{error} is not a JSON number, at character {place}") from None
    if _deeper_than(text, TEXT_DEPTH_LIMIT):
        raise _Unacceptable(_too_deep(text))
    return value


def _unacceptable(field: str, reason: str) -> Refusal:
    return Refusal(Code.INVALID_JSON, f"{field} is not acceptable JSON: {reason}.")


def _too_deep(text: str) -> str:
    place = deep_place(text, TEXT_DEPTH_LIMIT)
    where = "" if place is None else f", at character {place}"
    return f"it is nested more than {TEXT_DEPTH_LIMIT} deep{where}"


def _faulty(value: Any, field: str, reason: str) -> Refusal:
    """Says what is wrong with a value that was refused, and where; `reason` if nothing is found."""
    fault = find_fault(value, DEPTH_LIMIT)
    return _unacceptable(field, reason if fault is None else f"at {fault.place} {fault.reason}")


def _deeper_than(text: str, limit: int) -> bool:
    """True if a valid JSON text has more containers within each other.

    Brackets are counted, without recursion, which is what a hostile text would exhaust.
    """
    if text.count("{") + text.count("[") <= limit:
        return False
    bare = _STRING.sub("", text).encode("ascii")
    levels = array("b", bare.translate(_LEVELS, _NO_BRACKETS))
    return max(accumulate(levels), default=0) > limit


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        [(key, _)] = Counter(key for key, _ in pairs).most_common(1)
        raise _Unacceptable(f"the key {_clip(key)} stands twice in one object")
    return result


def _finite(text: str) -> int | float:
    number = integer(text) if text.lstrip("-").isdigit() else float(text)
    if math.isinf(number):
        raise _Unacceptable(f"the number {_clip(text)} is too large: a double does not hold it")
    return number


def _constant(text: str) -> NoReturn:
    raise _Constant(text)


def _clip(text: str) -> str:
    return json.dumps(text if len(text) <= 40 else text[:39] + "…")


_CAREFUL_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique,
    parse_int=_finite,
    parse_float=_finite,
    parse_constant=_constant,
)

_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique, parse_float=_finite, parse_constant=_constant
)
