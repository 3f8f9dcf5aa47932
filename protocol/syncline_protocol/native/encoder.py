"""Encoder of the native protocol: replies, events and notices of the server."""

from __future__ import annotations

from typing import Any

import orjson

from syncline_protocol import deltas
from syncline_protocol.dates import format_milliseconds
from syncline_protocol.documents import Document, Updated
from syncline_protocol.errors import Refusal
from syncline_protocol.objects import Event, Removed

__all__ = [
    "document_body",
    "encode_delta",
    "encode_error",
    "encode_event",
    "encode_notice",
    "encode_ok",
    "error_body",
    "event_body",
    "event_name",
]


def document_body(document: Document, *, data: bool = True) -> dict[str, Any]:
    """Make the `document` member of a reply (section 2); without `data` if the client has it."""
    body: dict[str, Any] = {
        "sid": document.sid,
        "unique_name": document.unique_name,
        "revision": str(document.revision),
        "date_created": format_milliseconds(document.created_ms),
        "date_updated": format_milliseconds(document.updated_ms),
        "date_expires": _date_or_none(document.expires_ms),
        "created_by": document.created_by,
        "updated_by": document.updated_by,
    }
    if data:
        body["data"] = orjson.Fragment(document.data)
    return body


def event_body(event: Event, instead: dict[str, Any] | None = None) -> dict[str, Any]:
    """Make the `document` member of an event (section 5); `instead` replaces `data`."""
    body: dict[str, Any] = {
        "sid": event.sid,
        "unique_name": event.unique_name,
        "revision": str(event.revision),
        "previous_revision": str(event.previous),
    }
    if isinstance(event, Updated):
        body |= {"data": orjson.Fragment(event.data)} if instead is None else instead
        body["date_updated"] = format_milliseconds(event.at_ms)
        body["date_expires"] = _date_or_none(event.expires_ms)
        body["updated_by"] = event.by
    elif isinstance(event, Removed):
        body["date_removed"] = format_milliseconds(event.at_ms)
        body["removed_by"] = event.by
        body["expired"] = event.expired
    return body


def error_body(refusal: Refusal) -> dict[str, Any]:
    """Make the `error` member of a reply (section 7)."""
    body: dict[str, Any] = {
        "code": int(refusal.code),
        "status": refusal.code.status,
        "message": refusal.message,
        "retry": refusal.code.retry,
    }
    if refusal.document is not None:
        body["document"] = document_body(refusal.document)
    return body


def event_name(event: Event) -> str:
    """`updated` or `removed`."""
    return "updated" if isinstance(event, Updated) else "removed"


def encode_event(event: Event, instead: dict[str, Any] | None = None) -> bytes:
    """Encode the text frame of an event. Use `Event.encoded`, which encodes only once."""
    return orjson.dumps({"event": event_name(event), "document": event_body(event, instead)})


def encode_delta(event: Updated) -> bytes | None:
    """Encode an event with a delta, for clients at `event.previous`; None if not worth it."""
    base = event.base
    delta = None if base is None else deltas.between(base.data, event.data)
    event.has_delta = delta is not None
    if base is not None:
        base.record_outcome(event.has_delta)
    if delta is None:
        return None
    operations = orjson.Fragment(delta.operations)
    return encode_event(event, {"delta": {"operations": operations, "digest": delta.digest}})


def encode_ok(request_id: int, body: dict[str, Any]) -> bytes:
    """Encode the reply to a request that succeeded."""
    return orjson.dumps({"id": request_id, "ok": body})


def encode_error(request_id: int, refusal: Refusal) -> bytes:
    """Encode the reply to a request that was refused."""
    return orjson.dumps({"id": request_id, "error": error_body(refusal)})


def encode_notice(name: str, **members: Any) -> bytes:
    """Encode a message of the server that is not about a document."""
    return orjson.dumps({"event": name, **members})


def _date_or_none(ms: int | None) -> str | None:
    return None if ms is None else format_milliseconds(ms)
