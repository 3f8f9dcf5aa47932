"""The application's values as JSON."""

from __future__ import annotations

import json
import re

from syncline_protocol.errors import Code
from syncline_protocol.jsonfaults import find_fault, find_surrogate

from .exceptions import InvalidRequest, RequestError, TooLarge

__all__ = ["check_address", "encode", "encode_data", "pointer_to"]


_DEEPEST = 1000
"""Nesting that the encoder of Python may not survive; what a document may have is much less."""

# The shortest integer that does not fit 64 bits has as many digits. Found in a text too, which
# costs a second look and nothing else.
_MAY_BE_LARGE = re.compile(rb"[0-9]{19}")


def encode(value: object) -> bytes:
    """A JSON value as compact UTF-8.

    An integer beyond 64 bits is stored as a double: one that a double cannot hold exactly is
    refused, rather than stored with other digits.

    Raises:
        InvalidRequest: it cannot be written: a type that JSON does not have, NaN or Infinity, an
            integer that would lose digits, a lone surrogate, a circle, or too deep a nesting. The
            sentence says which, and where, as a JSON pointer.
    """
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        encoded = text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise _no_json(value, str(error)) from error
    if _MAY_BE_LARGE.search(encoded) and find_fault(value, _DEEPEST) is not None:
        raise _no_json(value, "")
    return encoded


def encode_data(data: object, limit: int | None) -> bytes:
    """A document's data; `limit` is in bytes, None leaves it to the server.

    Raises:
        InvalidRequest: as `encode`, and for what is no dict.
        TooLarge: a message with it might pass the limit of a frame, which would end the connection.
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
    return encoded


def _no_json(value: object, reason: str) -> RequestError:
    fault = find_fault(value, _DEEPEST)
    if fault is not None:
        reason = f"at {fault.place} {fault.reason}"
    return InvalidRequest.local(Code.INVALID_JSON, f"This is no JSON value: {reason}.")


def check_address(address: object) -> None:
    """Look at what addresses a document: a SID, a unique name, or None.

    Raises:
        InvalidRequest: it is none of these, or neither a message nor a URL can carry it.
    """
    if address is None:
        return
    if not isinstance(address, str):
        raise InvalidRequest.local(
            Code.INVALID_NAME, f"a document is named by a str, not {type(address).__name__}."
        )
    half = find_surrogate(address)
    if half is not None:
        raise InvalidRequest.local(
            Code.INVALID_NAME, f"document holds {half}, which UTF-8 cannot carry."
        )


def pointer_to(key: str) -> str:
    """The JSON pointer (RFC 6901) to a top-level key."""
    return "/" + key.replace("~", "~0").replace("/", "~1")
