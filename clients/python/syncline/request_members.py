"""Values in a request that no transport can carry as they are."""

from __future__ import annotations

import math

from syncline_protocol.errors import Code
from syncline_protocol.jsonfaults import find_surrogate

from .errors import InvalidRequest
from .header import JsonObject

__all__ = ["check_members"]

_CODES = {
    "ttl": Code.INVALID_TTL,
    "collection_ttl": Code.INVALID_TTL,
    "if_match": Code.INVALID_IF_MATCH,
    "key": Code.INVALID_ITEM_KEY,
    "index": Code.INVALID_INDEX,
}

_LEAST, _GREATEST = -(2**63), 2**64 - 1


def check_members(members: JsonObject) -> None:
    """Refuse the members of a request that would arrive as something else, or break the connection.

    The encoder writes NaN and Infinity as null: a condition or an expiry would be ignored. All
    other values are checked by the server. Data are encoded before, and not looked at.

    Raises:
        InvalidRequest: the text names the member.
    """
    for name, value in members.items():
        fault = _fault_of(value)
        if fault is not None:
            code = _CODES.get(name, Code.INVALID_PARAMETER)
            raise InvalidRequest.local(code, f"{name} cannot be sent: {fault}.")


def _fault_of(value: object) -> str | None:
    if isinstance(value, str):
        half = None if value.isascii() else find_surrogate(value)
        return None if half is None else f"it has {half}, which UTF-8 cannot encode"
    if isinstance(value, float):
        return None if math.isfinite(value) else f"{value} is not a JSON number"
    if isinstance(value, int):
        return None if _LEAST <= value <= _GREATEST else "the integer does not fit 64 bits"
    if isinstance(value, list | tuple):
        return next(filter(None, map(_fault_of, value)), None)
    return None
