"""Headers that make a write conditional or repeatable."""

from __future__ import annotations

from starlette.datastructures import Headers

from syncline_protocol import fields
from syncline_protocol.errors import Code

from .values import only

__all__ = ["if_match", "operation"]


def if_match(headers: Headers) -> int | None:
    """The revision that `If-Match` names; None without it, and for `*`, which every one matches.

    The vendor sends the revision bare; in the quotes of an entity tag it is the same. A list of
    tags, or a weak one, does not name the one revision that a write can be conditional on.

    Raises:
        Refusal: `INVALID_IF_MATCH`.
    """
    value = only(headers.getlist("If-Match"), "If-Match", Code.INVALID_IF_MATCH)
    return None if value is None or value.strip() == "*" else fields.revision(value, "If-Match")


def operation(headers: Headers, name: str = "Idempotency-Key") -> str | None:
    """The operation id in the header `name`, None without it. Raises `INVALID_PARAMETER`."""
    value = only(headers.getlist(name), name, Code.INVALID_PARAMETER)
    return None if value is None else fields.operation(value, name)
