"""JSON in one form, whoever writes it: RFC 8785. And its hash.

Servers and clients hold the same value as different texts: members in another order, `1.0` for `1`.
Here both come to the same bytes. Numbers count as what JavaScript can hold, IEEE 754 doubles.
"""

from __future__ import annotations

import zlib
from decimal import Decimal
from typing import Any

import orjson

__all__ = ["canonical", "digest", "in_order"]

_EXACT = 2**53

_PLAIN = (1e-4, 1e15)
"""Between these, orjson writes what has a fraction as ECMAScript does, whatever its version."""

_LONGEST_INTEGER = 21
_LEADING_ZEROS = 6
"""Digits before the point, and zeros after it, that ECMAScript writes out (Number::toString)."""


def digest(value: Any, written: bytes | None = None) -> str:
    """CRC-32 of the canonical form, as eight hexadecimal digits; as `canonical` in all else."""
    return f"{zlib.crc32(canonical(value, written)):08x}"


def canonical(value: Any, written: bytes | None = None) -> bytes:
    """A JSON object or array in the form of RFC 8785.

    Args:
        value: is used up: numbers in it may have given way to others, or to their text.
        written: what `in_order` made of it, if that is known.

    Raises:
        ValueError: it holds what has no such form: a lone surrogate, or too deep a nesting.
    """
    if _settle_numbers(value):
        written = None
    try:
        text = in_order(value) if written is None else written
        return text if _is_in_order(text) else orjson.dumps(_sorted(value))
    except orjson.JSONEncodeError as error:
        raise ValueError(f"there is no canonical form of this: {error}") from None


def in_order(value: Any) -> bytes:
    """Compact JSON with sorted keys: the same for two values only if they are, types included."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _settle_numbers(value: Any) -> bool:
    """Replace what orjson would write otherwise; True if there was any."""
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
    """As Number::toString of ECMAScript writes it."""
    sign, shortest, exponent = Decimal(repr(number)).normalize().as_tuple()
    assert isinstance(exponent, int)  # it is finite
    minus = "-" if sign else ""
    digits = "".join(map(str, shortest))
    point = len(digits) + exponent  # where it stands, counted from the first digit
    if len(digits) <= point <= _LONGEST_INTEGER:
        return minus + digits.ljust(point, "0")
    if 0 < point <= _LONGEST_INTEGER:
        return f"{minus}{digits[:point]}.{digits[point:]}"
    if -_LEADING_ZEROS < point <= 0:
        return f"{minus}0.{'0' * -point}{digits}"
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{minus}{digits[0]}{fraction}e{point - 1:+d}"


def _is_in_order(text: bytes) -> bool:
    """False if keys may have to be sorted again: orjson goes by code points, not by UTF-16.

    The orders differ only between what lies beyond the Basic Multilingual Plane (a lead byte from
    F0 on) and what lies in it behind the surrogates (EE or EF).
    """
    if text.isascii() or not (b"\xee" in text or b"\xef" in text):
        return True
    return not any(lead in text for lead in (b"\xf0", b"\xf1", b"\xf2", b"\xf3", b"\xf4"))


def _sorted(value: Any) -> Any:
    """A copy whose members stand in the order of their keys' UTF-16 code units."""
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value, key=_utf16)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def _utf16(text: str) -> bytes:
    return text.encode("utf-16-be", "surrogatepass")
