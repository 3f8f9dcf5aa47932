"""Error codes, the same for every wire protocol, and the exception for a refused request.

The codes are those of Twilio's error dictionary, so a program that handles Twilio's errors handles
Syncline's too. An error that the dictionary lacks has the code 20000 + HTTP status, which is the
dictionary's own pattern.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from .objects import DOCUMENT, LIST, MAP, STREAM, ObjectType

__all__ = ["Code", "Refusal", "TypeCodes", "codes_of"]


class Code(IntEnum):
    """Error code; `status` is the HTTP status of a reply with it."""

    status: int

    def __new__(cls, value: int, status: int) -> Code:
        member = int.__new__(cls, value)
        member._value_ = value
        member.status = status
        return member

    UNKNOWN_PARAMETER = 20001, 400
    AUTHENTICATION_FAILED = 20003, 401
    METHOD_NOT_ALLOWED = 20004, 405
    TOKEN_INVALID = 20101, 401
    TOKEN_HEADER = 20102, 401
    TOKEN_ISSUER = 20103, 401
    TOKEN_EXPIRED = 20104, 401
    TOKEN_NOT_YET_VALID = 20105, 401
    TOKEN_GRANTS = 20106, 401
    TOKEN_SIGNATURE = 20107, 401
    TOKEN_TOO_LONG_LIVED = 20157, 401
    BAD_REQUEST = 20400, 400
    FORBIDDEN = 20403, 403
    NOT_FOUND = 20404, 404
    REQUEST_TIMEOUT = 20408, 408
    CONFLICT = 20409, 409
    URI_TOO_LONG = 20414, 414
    UNSUPPORTED_MEDIA_TYPE = 20415, 415
    INVALID_PARAMETER = 20422, 400
    RATE_LIMITED = 20429, 429
    HEADERS_TOO_LARGE = 20431, 431
    INTERNAL = 20500, 500
    UNAVAILABLE = 20503, 503
    TOKEN_OF_ANOTHER = 51215, 401
    INVALID_IF_MATCH = 54003, 400
    TOO_LARGE = 54006, 413
    ACCESS_FORBIDDEN = 54007, 403
    INVALID_JSON = 54008, 400
    TOO_MANY_REQUESTS = 54009, 429
    NO_PARAMETERS = 54010, 400
    INVALID_TTL = 54011, 400
    SERVICE_NOT_FOUND = 54050, 404
    INVALID_WEBHOOK_URL = 54051, 400
    INVALID_FRIENDLY_NAME = 54053, 400
    SERVICE_FORBIDDEN = 54056, 403
    DOCUMENT_NOT_FOUND = 54100, 404
    INVALID_DATA = 54101, 400
    REVISION_MISMATCH = 54103, 412
    LIST_NOT_FOUND = 54150, 404
    LIST_ITEM_NOT_FOUND = 54151, 404
    LIST_ITEM_MISMATCH = 54155, 412
    INVALID_LIST_DATA = 54156, 400
    MAP_NOT_FOUND = 54200, 404
    MAP_ITEM_NOT_FOUND = 54201, 404
    MAP_ITEM_MISMATCH = 54205, 412
    INVALID_MAP_DATA = 54206, 400
    MAP_ITEM_EXISTS = 54208, 409
    INVALID_ITEM_KEY = 54209, 400
    STREAM_NOT_FOUND = 54250, 404
    INVALID_MESSAGE = 54251, 400
    NAME_NOT_FOUND = 54300, 404
    NAME_TAKEN = 54301, 409
    INVALID_NAME = 54302, 400
    INVALID_IDENTITY = 54351, 400
    PERMISSION_NOT_FOUND = 54354, 404
    TOO_MANY_SUBSCRIPTIONS = 54419, 400
    INVALID_ORDER = 54451, 400
    INVALID_BOUNDS = 54452, 400
    INVALID_PAGE_TOKEN = 54453, 400
    INVALID_PAGE_SIZE = 54454, 400
    INVALID_INDEX = 54458, 400

    @property
    def retry(self) -> bool:
        """True if the same request may succeed later without a change."""
        return self.status in (429, 503)


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeCodes:
    """Codes that differ between the types of objects.

    Attributes:
        absent: no object has the SID.
        mismatch: the object, or the item, is at another revision than the write expects.
        item_absent: the object has no item with that key.
        item_exists: it has one already.
    """

    absent: Code
    mismatch: Code
    item_absent: Code = Code.NOT_FOUND
    item_exists: Code = Code.CONFLICT


_COMMON = TypeCodes(absent=Code.NOT_FOUND, mismatch=Code.REVISION_MISMATCH)

_BY_TYPE: Mapping[str, TypeCodes] = {
    DOCUMENT.name: TypeCodes(absent=Code.DOCUMENT_NOT_FOUND, mismatch=Code.REVISION_MISMATCH),
    LIST.name: TypeCodes(
        absent=Code.LIST_NOT_FOUND,
        mismatch=Code.LIST_ITEM_MISMATCH,
        item_absent=Code.LIST_ITEM_NOT_FOUND,
    ),
    MAP.name: TypeCodes(
        absent=Code.MAP_NOT_FOUND,
        mismatch=Code.MAP_ITEM_MISMATCH,
        item_absent=Code.MAP_ITEM_NOT_FOUND,
        item_exists=Code.MAP_ITEM_EXISTS,
    ),
    STREAM.name: TypeCodes(absent=Code.STREAM_NOT_FOUND, mismatch=Code.REVISION_MISMATCH),
}


def codes_of(type_: ObjectType) -> TypeCodes:
    """The codes of a type of object."""
    return _BY_TYPE.get(type_.name, _COMMON)


class Refusal(Exception):
    """A request is refused; nothing was changed.

    Attributes:
        code: error code; its `status` is the HTTP status.
        message: a sentence for a human reader: the field, the value given, and what is allowed.
        newest: what contenders of this write get: the newest state of the object or item, if it is
            at another revision than the write expected; otherwise None. Typed `Any`, because each
            type has a class of its own.
    """

    def __init__(self, code: Code, message: str, *, newest: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.newest = newest

    def __repr__(self) -> str:
        return f"Refusal({self.code.value}, {self.message!r})"
