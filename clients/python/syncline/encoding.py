"""The application's values as JSON."""

from __future__ import annotations

import json

from syncline_protocol.errors import Code

from .exceptions import InvalidRequest, TooLarge

__all__ = ["check_address", "encode", "encode_data", "pointer_to"]


def encode(value: object) -> bytes:
    """A JSON value as compact UTF-8.

    Raises:
        InvalidRequest: it cannot be written: a type that JSON does not have, NaN or Infinity, a
            lone surrogate, a circle, or too deep a nesting.
    """
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        return text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequest.local(Code.INVALID_JSON, f"This is no JSON value: {error}.") from error


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


def check_address(address: object) -> None:
    """Look at what addresses a document: a SID, a unique name, or None.

    Raises:
        InvalidRequest: it is none of these, or no UTF-8 can carry it.
    """
    if address is None:
        return
    if not isinstance(address, str):
        raise InvalidRequest.local(
            Code.INVALID_NAME, f"a document is named by a str, not {type(address).__name__}."
        )
    try:
        address.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequest.local(
            Code.INVALID_NAME, f"The name has a lone surrogate at index {error.start}."
        ) from error


def pointer_to(key: str) -> str:
    """The JSON pointer (RFC 6901) to a top-level key."""
    return "/" + key.replace("~", "~0").replace("/", "~1")
