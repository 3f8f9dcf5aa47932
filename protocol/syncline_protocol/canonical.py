"""Canonical JSON (RFC 8785) and its digest.

A server and a client may have the same value as different texts: members in another order, `1.0`
for `1`. Both have the same canonical form. Every number counts as an IEEE 754 double, as in
JavaScript.
"""

from __future__ import annotations

import zlib
from decimal import Decimal
from typing import Any

import orjson

__all__ = ["canonical", "digest", "in_order"]

_EXACT = 2**53

_PLAIN = (1e-4, 1e15)
"""Range in which every version of orjson writes a number with a fraction as ECMAScript does."""

_LONGEST_INTEGER = 21
_LEADING_ZEROS = 6
"""Limits of ECMAScript's Number::toString: beyond them it writes an exponent."""


def digest(value: Any, written: bytes | None = None) -> str:
    """Return the CRC-32 of `canonical(value, written)` as eight hexadecimal digits."""
    return f"{zlib.crc32(canonical(value, written)):08x}"


def canonical(value: Any, written: bytes | None = None) -> bytes:
    """Encode a JSON object or array in the form of RFC 8785.

    Args:
        value: must not be used afterwards: its numbers may be replaced by others or by fragments.
        written: the result of `in_order(value)`; None if not known.

    Raises:
        ValueError: the value has no canonical form: a lone surrogate, or too deep a nesting.
    """
    if _settle_numbers(value):
        written = None
    try:
        text = in_order(value) if written is None else written
        return text if _is_in_order(text) else orjson.dumps(_sorted(value))
    except orjson.JSONEncodeError as error:
        raise ValueError(f"the value has no canonical form: {error}") from None


def in_order(value: Any) -> bytes:
    """Encode as compact JSON with sorted keys. Equal only for equal values of equal types."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _settle_numbers(value: Any) -> bool:
    """Replace numbers that orjson writes differently from ECMAScript; True if there were any."""
    has_replaced = False
    containers = [value]
    for container in containers:
        is_settled = True
        for item in container.values() if type(container) is dict else container:
            kind = type(item)
            if kind is str:
                continue
            if kind is dict or kind is list:
                containers.append(item)
            elif kind is float:
                is_settled &= _PLAIN[0] <= abs(item) < _PLAIN[1] and not item.is_integer()
            elif kind is int:
                is_settled &= -_EXACT <= item <= _EXACT
        if not is_settled:
            has_replaced = True
            members = container.items() if type(container) is dict else enumerate(container)
            for place, item in members:
                if type(item) is float or type(item) is int:
                    container[place] = _settled(item)
    return has_replaced


def _settled(number: int | float) -> Any:
    if -_EXACT <= number <= _EXACT and number == int(number):
        return int(number)
    return orjson.Fragment(_number(float(number)))


def _number(number: float) -> str:
    """Format a finite number as Number::toString of ECMAScript does."""
    sign, shortest, exponent = Decimal(repr(number)).normalize().as_tuple()
    assert isinstance(exponent, int)  # `number` is finite
    minus = "-" if sign else ""
    digits = "".join(map(str, shortest))
    point = len(digits) + exponent  # position of the decimal point, from the first digit
    if len(digits) <= point <= _LONGEST_INTEGER:
        return minus + digits.ljust(point, "0")
    if 0 < point <= _LONGEST_INTEGER:
        return f"{minus}{digits[:point]}.{digits[point:]}"
    if -_LEADING_ZEROS < point <= 0:
        return f"{minus}0.{'0' * -point}{digits}"
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{minus}{digits[0]}{fraction}e{point - 1:+d}"


def _is_in_order(text: bytes) -> bool:
    """Return False if the keys may be in the wrong order: orjson sorts by code points, not UTF-16.

    The two orders differ only between characters beyond the Basic Multilingual Plane (lead byte F0
    or greater) and those within it that come after the surrogates (lead byte EE or EF).
    """
    if text.isascii() or not (b"\xee" in text or b"\xef" in text):
        return True
    return not any(lead in text for lead in (b"\xf0", b"\xf1", b"\xf2", b"\xf3", b"\xf4"))


def _sorted(value: Any) -> Any:
    """Copy a value with the members of each object sorted by the UTF-16 code units of the keys."""
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value, key=_utf16)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def _utf16(text: str) -> bytes:
    return text.encode("utf-16-be", "surrogatepass")
