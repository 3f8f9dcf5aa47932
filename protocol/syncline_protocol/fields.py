"""Validation of the fields of a request.

Each function takes the value from the request, a JSON value or the text of a form field, and
returns it in the form that the server uses internally. It raises `Refusal` for an invalid value,
with the vendor's code and a message that shows the value and says what is allowed.
"""

from __future__ import annotations

import re
from typing import Any

from . import revisions
from .errors import Code, Refusal
from .jsonfaults import find_surrogate
from .sids import is_sid

__all__ = [
    "DOT_SEGMENTS",
    "NAME_LENGTH",
    "OPERATION_LENGTH",
    "TTL_LIMIT",
    "operation",
    "revision",
    "show",
    "text",
    "ttl",
    "unique_name",
]

NAME_LENGTH = 320
"""Maximum number of characters in a unique name (vendor limit)."""

TTL_LIMIT = 31_536_000
"""Maximum time to live in seconds: a year (vendor limit)."""

OPERATION_LENGTH = 64
"""Maximum number of characters in an operation id."""

DOT_SEGMENTS = (".", "..")
"""HTTP clients remove dot segments from a URL, even percent-encoded ones (WHATWG URL, 4.4)."""

_REVISION = re.compile(r'(")?(0|[1-9][0-9]{0,15})(?(1)")', re.ASCII)
_INTEGER = re.compile(r"[0-9]{1,9}", re.ASCII)


def text(value: Any, field: str) -> str:
    """Check a string that UTF-8 can encode. Raises `INVALID_PARAMETER`."""
    if not isinstance(value, str):
        raise Refusal(Code.INVALID_PARAMETER, f"{field} must be a string; {show(value)} was given.")
    half = None if value.isascii() else find_surrogate(value)
    if half is not None:
        raise Refusal(Code.INVALID_PARAMETER, f"{field} holds {half}, which UTF-8 cannot encode.")
    return value


def unique_name(value: Any, field: str) -> str:
    """Check the unique name for a new document. Raises `INVALID_NAME`."""
    try:
        name = text(value, field)
    except Refusal as refusal:
        raise Refusal(Code.INVALID_NAME, f"Invalid unique name. {refusal.message}") from None
    if name in DOT_SEGMENTS:
        raise Refusal(
            Code.INVALID_NAME,
            f"Invalid unique name. {field} must not be {show(name)}: it cannot stand in a URL.",
        )
    if not 1 <= len(name) <= NAME_LENGTH or is_sid(name):
        raise Refusal(
            Code.INVALID_NAME,
            f"Invalid unique name. {field} must have 1 to {NAME_LENGTH} characters and must not "
            f"look like a SID ([A-Z]{{2}}[a-f0-9]{{32}}); {show(name)} of {len(name)} characters "
            "was given.",
        )
    return name


def ttl(value: Any, field: str) -> int:
    """Parse seconds to live (0: never expires), an integer or its text. Raises `INVALID_TTL`."""
    if value == "":
        return 0  # the vendor's rule: "empty or integer"
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= TTL_LIMIT:
        raise Refusal(
            Code.INVALID_TTL,
            f"{field} must be a whole number of seconds from 0 to {TTL_LIMIT}; "
            f"{show(value)} was given.",
        )
    return value


def revision(value: Any, field: str) -> int:
    """Parse a revision, bare or quoted as an entity tag (RFC 9110, section 8.8.3).

    Raises `INVALID_IF_MATCH`.
    """
    match = _REVISION.fullmatch(value) if isinstance(value, str) else None
    if match is None or int(match[2]) >= revisions.LIMIT:
        raise Refusal(
            Code.INVALID_IF_MATCH,
            f"{field} must be one revision that the server gave, a string of digits; "
            f"{show(value)} was given.",
        )
    return int(match[2])


def operation(value: Any, field: str) -> str:
    """Check an operation id. Raises `INVALID_PARAMETER`."""
    identifier = text(value, field)
    if not 1 <= len(identifier) <= OPERATION_LENGTH:
        raise Refusal(
            Code.INVALID_PARAMETER,
            f"{field} must have 1 to {OPERATION_LENGTH} characters; {len(identifier)} were given.",
        )
    return identifier


def show(value: Any) -> str:
    """Format `value` for an error message, in at most 60 characters."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case dict():
            return "an object"
        case list():
            return "an array"
    shown = repr(value)
    return shown if len(shown) <= 60 else shown[:57] + "…" + shown[-1]
