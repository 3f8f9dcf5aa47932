"""Encoding of the application's values as JSON, with errors that name the place."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import date, time
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import orjson

from syncline_protocol.errors import Code
from syncline_protocol.jsondata import DEPTH_LIMIT
from syncline_protocol.jsonfaults import Fault, find_fault, find_surrogate

from .errors import InvalidRequest, RequestError, TooLarge

__all__ = [
    "check_address",
    "encode",
    "encode_data",
    "place_of",
    "pointer_to",
]


_DEEPEST = 1000
"""Nesting limit of `find_fault`: Python's encoder may fail beyond; documents allow much less."""

# The shortest integer that does not fit 64 bits has 19 digits. A match inside a string is harmless:
# `find_fault` then checks the value and finds nothing.
_MAY_BE_LARGE = re.compile(rb"[0-9]{19}")

_PLACE_SHOWN = 100
"""Maximum number of characters of a place in an error message."""

_CONTAINERS = (dict, list, tuple)

_ADVICE: list[tuple[type | tuple[type, ...], str]] = [
    ((date, time), "store a str, such as its isoformat()"),
    (float, "store None, or leave the key out"),
    ((set, frozenset), "store a list"),
    ((bytes, bytearray, memoryview), "store a str, such as base64"),
    ((Decimal, UUID), "store a str"),
    (Enum, "store its value"),
]
"""What to do with values that JSON does not have."""


def encode(value: object) -> bytes:
    """Encode a JSON value as compact UTF-8.

    The server stores an integer beyond 64 bits as a double. An integer that a double cannot
    represent exactly is therefore refused.

    Raises:
        InvalidRequest: the value is not JSON: an unsupported type, NaN or Infinity, an integer that
            would lose digits, a lone surrogate, a key that is not a str, a circular reference, or
            too deep a nesting. The message says which, and where, such as `players[3].joined`.
    """
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        encoded = text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise _no_json(value, str(error)) from error
    if (_MAY_BE_LARGE.search(encoded) or _may_have_other_keys(value)) and (
        find_fault(value, _DEEPEST) is not None
    ):
        raise _no_json(value, "")
    return encoded


def encode_data(data: object, limit: int | None) -> bytes:
    """Encode a document's data; `limit` is in bytes, None for no check.

    Raises:
        InvalidRequest: as in `encode`, or `data` is not a dict, or it is nested more deeply than
            the server accepts.
        TooLarge: the data is larger than `limit`. It is checked here because a message that exceeds
            the server's frame limit would end the connection.
    """
    if not isinstance(data, dict):
        raise InvalidRequest.local(
            Code.INVALID_JSON, f"data must be a JSON object (a dict), not {type(data).__name__}."
        )
    encoded = encode(data)
    if limit is not None and len(encoded) > limit:
        raise TooLarge.local(
            Code.TOO_LARGE,
            f"data is {len(encoded)} bytes as compact JSON; at most {limit} are allowed.",
        )
    brackets = encoded.count(b"{") + encoded.count(b"[")
    if brackets > DEPTH_LIMIT and _is_deep(data, DEPTH_LIMIT):
        raise _no_json(data, f"it is nested more than {DEPTH_LIMIT} deep", DEPTH_LIMIT)
    return encoded


def place_of(path: Iterable[str | int]) -> str:
    """Format keys and indexes as Python writes them, such as `players[3].joined`."""
    shown = ""
    for key in path:
        if isinstance(key, str) and key.isidentifier():
            shown += f".{key}" if shown else key
        else:
            # `ascii`: a lone surrogate, which UTF-8 cannot encode, must not be in a message.
            shown += f"[{ascii(key) if isinstance(key, str) else key}]"
    if len(shown) > _PLACE_SHOWN:
        shown = shown[: _PLACE_SHOWN - 1] + "…"
    return shown or "data"


def _is_deep(value: Any, limit: int) -> bool:
    """True if a JSON value is nested more than `limit` deep."""
    level = [value]
    for _ in range(limit):
        level = [
            member
            for outer in level
            for member in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(member, _CONTAINERS)
        ]
        if not level:
            return False
    return True


def _may_have_other_keys(value: object) -> bool:
    """True if a key may be other than a str: Python's encoder would make it one in silence."""
    try:
        # Refuses such keys, and some values that are fine: only for speed.
        orjson.dumps(value)
    except TypeError:
        return True
    return False


def _no_json(value: object, reason: str, depth_limit: int = _DEEPEST) -> RequestError:
    fault = find_fault(value, depth_limit)
    if fault is None:
        message = f"This is not a JSON value: {reason}."
    else:
        message = f"{place_of(fault.path)}: {fault.reason}{_advice(value, fault)}."
    return InvalidRequest.local(Code.INVALID_JSON, message)


def _advice(value: Any, fault: Fault) -> str:
    part = value
    for key in fault.path:
        part = part[key]
    if hasattr(type(part), "__dataclass_fields__") or hasattr(type(part), "model_dump"):
        return "; open the object with model=, or store a dict"
    found = next((text for types, text in _ADVICE if isinstance(part, types)), None)
    return "" if found is None else f"; {found}"


def check_address(address: object, type_: str = "document") -> None:
    """Check the address of an object: a SID, a unique name, or None.

    Raises:
        InvalidRequest: the address is not a str, or UTF-8 cannot encode it.
    """
    if address is None:
        return
    if not isinstance(address, str):
        raise InvalidRequest.local(
            Code.INVALID_NAME, f"a {type_} is named by a str, not {type(address).__name__}."
        )
    half = find_surrogate(address)
    if half is not None:
        raise InvalidRequest.local(
            Code.INVALID_NAME, f"{type_} holds {half}, which UTF-8 cannot encode."
        )


def pointer_to(key: str) -> str:
    """Return the JSON pointer (RFC 6901) of a top-level key."""
    return "/" + key.replace("~", "~0").replace("/", "~1")
