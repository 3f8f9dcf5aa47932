"""Encoder of the native protocol: replies, events and notices of the server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from syncline_protocol import deltas
from syncline_protocol.dates import format_milliseconds
from syncline_protocol.documents import Document, Updated
from syncline_protocol.errors import Refusal
from syncline_protocol.objects import DOCUMENT, Event, Header, Removed, type_of_sid

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
    "header_body",
    "newest_body",
]


def header_body(header: Header) -> dict[str, Any]:
    """Make what the members of a reply say of an object of any type (section 2)."""
    return {
        "sid": header.sid,
        "unique_name": header.unique_name,
        "revision": str(header.revision),
        "date_created": format_milliseconds(header.created_ms),
        "date_updated": format_milliseconds(header.updated_ms),
        "date_expires": _date_or_none(header.expires_ms),
        "created_by": header.created_by,
        "updated_by": header.updated_by,
    }


def document_body(document: Document, *, data: bool = True) -> dict[str, Any]:
    """Make the `document` member of a reply (section 2); without `data` if the client has it."""
    body = header_body(document)
    if data:
        body["data"] = orjson.Fragment(document.data)
    return body


def event_body(event: Event, instead: dict[str, Any] | None = None) -> dict[str, Any]:
    """Make the member of an event that is named as its type (section 5).

    `instead` replaces `data`.
    """
    head: dict[str, Any] = {
        "sid": event.sid,
        "unique_name": event.unique_name,
        "revision": str(event.revision),
        "previous_revision": str(event.previous),
    }
    _, make_rest = _EVENTS[type(event)]
    return head | make_rest(event, instead)


def _updated(event: Updated, instead: dict[str, Any] | None) -> dict[str, Any]:
    data = {"data": orjson.Fragment(event.data)} if instead is None else instead
    return data | {
        "date_updated": format_milliseconds(event.at_ms),
        "date_expires": _date_or_none(event.expires_ms),
        "updated_by": event.by,
    }


def _removed(event: Removed, _: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "date_removed": format_milliseconds(event.at_ms),
        "removed_by": event.by,
        "expired": event.expired,
    }


_EVENTS: Mapping[type[Event], tuple[str, Callable[..., dict[str, Any]]]] = {
    Updated: ("updated", _updated),
    Removed: ("removed", _removed),
}
"""The name of each event, and what its body says beside what every event has."""

_STATES: Mapping[str, Callable[[Any], dict[str, Any]]] = {DOCUMENT.name: document_body}
"""By the name of the type: the body of a newest state."""


def error_body(refusal: Refusal) -> dict[str, Any]:
    """Make the `error` member of a reply (section 7)."""
    body: dict[str, Any] = {
        "code": int(refusal.code),
        "status": refusal.code.status,
        "message": refusal.message,
        "retry": refusal.code.retry,
    }
    return body | newest_body(refusal)


def newest_body(refusal: Refusal) -> dict[str, Any]:
    """Make the member with the newest state, named as its type; none if the refusal has none."""
    if refusal.newest is None:
        return {}
    name = type_of_sid(refusal.newest.sid).name
    make = _STATES.get(name)
    return {} if make is None else {name: make(refusal.newest)}


def event_name(event: Event) -> str:
    """The name of an event, such as `updated` or `removed`."""
    return _EVENTS[type(event)][0]


def encode_event(event: Event, instead: dict[str, Any] | None = None) -> bytes:
    """Encode the text frame of an event. Use `Event.encoded`, which encodes only once."""
    name = type_of_sid(event.sid).name
    return orjson.dumps({"event": event_name(event), name: event_body(event, instead)})


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
