"""Operation ids: one for each write, so that a repetition is applied once."""

from __future__ import annotations

from syncline.attempts import make_op
from syncline.errors import InvalidRequest
from syncline_protocol.errors import Code
from syncline_protocol.fields import OPERATION_LENGTH

__all__ = ["HEADER", "operation"]

HEADER = "Idempotency-Key"
"""Header with the operation id of a request."""


def operation(given: str | None) -> str:
    """The application's operation id, or a new one. Raises `InvalidRequest` if it cannot be one."""
    if given is None:
        return make_op()
    is_text = isinstance(given, str) and given.isascii() and given.isprintable()
    if not is_text or not 1 <= len(given.strip()) <= len(given) <= OPERATION_LENGTH:
        raise InvalidRequest.local(
            Code.INVALID_PARAMETER,
            f"operation_id must have 1 to {OPERATION_LENGTH} printable ASCII characters.",
        )
    return given
