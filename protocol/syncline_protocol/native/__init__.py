"""Codec of the native protocol `syncline.v1`: decodes requests, encodes replies and events.

docs/protocol.md specifies it; the section numbers in the modules here refer to that document.
"""

from __future__ import annotations

from .bodies import change_body, document_body, header_body, item_body
from .decoder import decode, leading_id
from .encoder import (
    encode_delta,
    encode_error,
    encode_event,
    encode_notice,
    encode_ok,
    error_body,
    event_body,
    event_members,
    event_name,
)
from .members import patch_body
from .messages import (
    FINAL_CLOSE_CODES,
    ID_LIMIT,
    SUBPROTOCOL,
    Authenticate,
    Close,
    Limits,
    Ping,
    ProtocolViolation,
    Request,
)

__all__ = [
    "FINAL_CLOSE_CODES",
    "ID_LIMIT",
    "SUBPROTOCOL",
    "Authenticate",
    "Close",
    "Limits",
    "Ping",
    "ProtocolViolation",
    "Request",
    "change_body",
    "decode",
    "document_body",
    "encode_delta",
    "encode_error",
    "encode_event",
    "encode_notice",
    "encode_ok",
    "error_body",
    "event_body",
    "event_members",
    "event_name",
    "header_body",
    "item_body",
    "leading_id",
    "patch_body",
]
