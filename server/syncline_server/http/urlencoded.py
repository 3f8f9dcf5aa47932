"""Decoding of percent-encoded paths, queries and forms; malformed text is refused, not guessed."""

from __future__ import annotations

import re
from binascii import a2b_qp

from syncline_protocol.errors import Code, Refusal

__all__ = ["FIELD_LIMIT", "decode", "pairs"]

FIELD_LIMIT = 100
"""Maximum fields in a query or a form; far more than any operation has."""

_MALFORMED = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def decode(encoded: bytes, what: str) -> str:
    """The decoded text; `what` names it in error messages.

    Raises:
        Refusal: `BAD_REQUEST` where a percent sign is not followed by two hexadecimal digits, or
            where the bytes are not UTF-8.
    """
    if _MALFORMED.search(encoded):
        raise Refusal(
            Code.BAD_REQUEST,
            f"{what} has a percent sign that is not followed by two hexadecimal digits.",
        )
    try:
        return _unquoted(encoded).decode()
    except UnicodeDecodeError:
        raise Refusal(Code.BAD_REQUEST, f"{what} is not valid UTF-8.") from None


def pairs(encoded: bytes, what: str, limit: int = FIELD_LIMIT) -> list[tuple[str, str]]:
    """The names and values of a query or a form, in their order; `+` is a space.

    Raises:
        Refusal: `BAD_REQUEST` as `decode`, or for more than `limit` fields.
    """
    if encoded.count(b"&") >= limit:
        raise Refusal(Code.BAD_REQUEST, f"{what} has more than {limit} fields.")
    return [_pair(field, what) for field in encoded.split(b"&") if field]


def _unquoted(encoded: bytes) -> bytes:
    """`encoded` without percent-encoding, which must be well-formed.

    Quoted-printable differs only in its escape sign, and Python decodes it in C: a Python loop over
    many escapes would block the event loop.
    """
    if b"%" not in encoded:
        return encoded
    return a2b_qp(encoded.replace(b"=", b"=3D").replace(b"%", b"="))


def _pair(field: bytes, what: str) -> tuple[str, str]:
    encoded_name, _, value = field.replace(b"+", b" ").partition(b"=")
    name = decode(encoded_name, f"A field name in {what}")
    return name, decode(value, f"{name[:60]} in {what}")
