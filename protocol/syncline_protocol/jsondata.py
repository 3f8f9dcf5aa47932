"""Strict parser for untrusted JSON.

Stricter than RFC 8259, so that every reader of a document sees the same value: no duplicate keys,
no NaN or Infinity, no lone surrogates, limited nesting. An integer beyond 64 bits becomes the
nearest double, as in JavaScript.
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
    "TEXT_DEPTH_LIMIT",
    "compact",
    "integer",
    "parse",
    "parse_object",
    "values_in",
    "values_limit",
]

DEPTH_LIMIT = 64
"""Maximum nesting of objects and arrays in a document's data, including the outermost."""

TEXT_DEPTH_LIMIT = DEPTH_LIMIT + 4
"""Maximum nesting in a whole text: a JSON patch puts three levels around data, for example."""

_INTEGER_DIGITS = 20  # digits of the longest number in `INTEGERS`

VALUES_SPARE = 8_192
"""Commas and opening brackets that a text may have in addition to those of its document."""

_CONSTANTS = re.compile(r'"(?:[^"\\]|\\.)*"|(NaN|-?Infinity)')

_LONG_INTEGER = re.compile(r"[0-9]{19}")
"""Found in every integer outside `INTEGERS`; also in some strings and other numbers."""

_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"')

_LEVELS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
"""Change of the nesting level at each bracket, as a signed byte."""

_NO_BRACKETS = bytes(set(range(128)) - set(b"[]{}"))


class _Unacceptable(ValueError):
    """Well-formed JSON that is not accepted; the text says why."""


class _Constant(ValueError):
    """NaN or Infinity, which JSON does not allow; the text is the constant."""


def parse(text: str | bytes, field: str, values_limit: int | None = None) -> Any:
    """Parse a JSON text.

    Args:
        text: JSON; bytes must be UTF-8.
        field: name of the text in error messages ("Data", "The request body").
        values_limit: maximum result of `values_in(text)`, which bounds the cost of parsing; None
            for a trusted text, without a limit.

    Raises:
        Refusal: `INVALID_JSON` for any text that is not accepted; `TOO_LARGE`.
    """
    # Each value after the first has a character of its own: most texts need not be counted.
    if values_limit is not None and len(text) >= values_limit < values_in(text):
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
    """Encode `value` as compact UTF-8 JSON, the form that is stored and whose size counts.

    Raises:
        Refusal: `INVALID_JSON` if a string has a lone surrogate, which UTF-8 cannot encode, or if
            the nesting is too deep to encode; the message says which, and where.
    """
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError as error:
        raise _faulty(value, field, str(error)) from None


def parse_object(value: Any, field: str, limit: int) -> bytes:
    """Check a document's data and encode it to the compact bytes that are stored.

    Args:
        value: the parsed data.
        field: name of the data in the request.
        limit: maximum size in bytes.

    Raises:
        Refusal: `INVALID_DATA` for null, `INVALID_JSON` if the value is not an object or is nested
            too deeply, `TOO_LARGE`.
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
    """Return the `values_limit` of `parse` for documents of at most `data_limit` bytes."""
    return data_limit + VALUES_SPARE


def values_in(text: str | bytes) -> int:
    """Return the maximum number of values in a JSON text, which bounds the cost to parse it."""
    if isinstance(text, str):
        return text.count(",") + text.count("[") + text.count("{") + 1
    return text.count(b",") + text.count(b"[") + text.count(b"{") + 1


def integer(text: str) -> int | float:
    """Parse an integer literal; beyond 64 bits the result is the nearest double.

    That double is infinite for a literal of more than about 300 digits.
    """
    if len(text) <= _INTEGER_DIGITS:
        number = int(text)
        if number in INTEGERS:
            return number
    return float(text)


def _parse(text: str) -> Any:
    value = _canonical(text)
    return _parse_carefully(text) if value is None else value


def _canonical(text: str) -> dict[str, Any] | None:
    """The object in a text as orjson itself writes it, as clients mostly send it; else None.

    orjson takes a fraction of the time, but drops repeated keys and changes some numbers. Where it
    writes the same text again, it has done neither.
    """
    try:
        value = orjson.loads(text)
        is_same = orjson.dumps(value) == text.encode()
    except (ValueError, TypeError):
        # No JSON, or nested too deeply: whether that is acceptable is decided below.
        return None
    if not is_same or not isinstance(value, dict) or _deeper_than(text, TEXT_DEPTH_LIMIT):
        return None
    return value


def _parse_carefully(text: str) -> Any:
    # `parse_int` would double the time to parse an array of integers, and few texts need it.
    is_plain = _LONG_INTEGER.search(text) is None
    value = _parse_compact(text) if is_plain else None
    if value is not None:
        return value
    decoder = _DECODER if is_plain else _CAREFUL_DECODER
    try:
        value = decoder.decode(text)
    except _Constant as error:
        place = next(match.start(1) for match in _CONSTANTS.finditer(text) if match[1])
        raise _Unacceptable(f"{error} is not a JSON number, at character {place}") from None
    if _deeper_than(text, TEXT_DEPTH_LIMIT):
        raise _Unacceptable(_too_deep(text))
    return value


def _parse_compact(text: str) -> Any:
    """The value of a text that is exactly as an encoder writes it, as most clients' are; None if it
    is not, and needs `_DECODER`.

    orjson takes texts that are not acceptable here: then its own text of the value is another one.
    """
    try:
        value = orjson.loads(text)
        is_same = orjson.dumps(value) == text.encode()
    except (orjson.JSONDecodeError, orjson.JSONEncodeError, UnicodeEncodeError):
        return None
    return None if not is_same or _deeper_than(text, TEXT_DEPTH_LIMIT) else value


def _unacceptable(field: str, reason: str) -> Refusal:
    return Refusal(Code.INVALID_JSON, f"{field} is not acceptable JSON: {reason}.")


def _too_deep(text: str) -> str:
    place = deep_place(text, TEXT_DEPTH_LIMIT)
    where = "" if place is None else f", at character {place}"
    return f"it is nested more than {TEXT_DEPTH_LIMIT} deep{where}"


def _faulty(value: Any, field: str, reason: str) -> Refusal:
    """Make the refusal of a value: what is wrong with it, and where; `reason` if not found."""
    fault = find_fault(value, DEPTH_LIMIT)
    return _unacceptable(field, reason if fault is None else f"at {fault.place} {fault.reason}")


def _deeper_than(text: str, limit: int) -> bool:
    """Return True if a valid JSON text is nested more than `limit` deep.

    Counts brackets and does not recurse, because a hostile text would exhaust the stack.
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
