"""Encoder of the native protocol: replies, events and notices of the server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from syncline_protocol.dates import format_milliseconds
from syncline_protocol.documents import Document, Updated
from syncline_protocol.errors import Refusal
from syncline_protocol.item_types import item_type
from syncline_protocol.items import ItemsChanged, ItemsReset
from syncline_protocol.objects import (
    DOCUMENT,
    Base,
    Event,
    ExpiryChanged,
    Removed,
    type_of_sid,
)
from syncline_protocol.streams import Message, Missed

from .bodies import change_body, date_or_none, document_body

__all__ = [
    "encode_delta",
    "encode_error",
    "encode_event",
    "encode_notice",
    "encode_ok",
    "error_body",
    "event_body",
    "event_members",
    "event_name",
    "newest_body",
]


def event_members(event: Event, instead: dict[str, Any] | None = None) -> dict[str, Any]:
    """Make the members of an event besides its name (section 5).

    Args:
        instead: replaces the data, for a client that has it or makes it from a delta: the members
            of an object, or those of its items, by key. Empty: the client has the data.
    """
    _, make = _EVENTS[type(event)]
    return make(event, instead)


def event_body(event: Event) -> dict[str, Any]:
    """The member of an event that is named as the type of its object."""
    body: dict[str, Any] = event_members(event)[type_of_sid(event.sid).name]
    return body


def _updated(event: Updated, instead: dict[str, Any] | None) -> dict[str, Any]:
    data = {"data": orjson.Fragment(event.data)} if instead is None else instead
    return _of_object(
        event,
        **data,
        date_updated=format_milliseconds(event.at_ms),
        date_expires=date_or_none(event.expires_ms),
        updated_by=event.by,
    )


def _expiry_changed(event: ExpiryChanged, _: object) -> dict[str, Any]:
    return _of_object(event, **_author(event), date_expires=date_or_none(event.expires_ms))


def _removed(event: Removed, _: object) -> dict[str, Any]:
    return _of_object(
        event,
        date_removed=format_milliseconds(event.at_ms),
        removed_by=event.by,
        expired=event.expired,
    )


def _items_changed(event: ItemsChanged, instead: dict[str, Any] | None) -> dict[str, Any]:
    # A batch, or a portion of what was missed, has data that its receiver did not write.
    is_bare = instead == {} and len(event.changes) == 1
    items = item_type(type_of_sid(event.sid))
    changes = []
    for each in event.changes:
        delta = (instead or {}).get(each.item.key)
        body = change_body(each, items, data=not (is_bare or delta))
        changes.append(body | delta if delta else body)
    date_expires = date_or_none(event.expires_ms)
    return {**_of_object(event, **_author(event), date_expires=date_expires), "changes": changes}


def _items_reset(event: ItemsReset, _: object) -> dict[str, Any]:
    return _of_object(event, **_author(event))


def _message(event: Message, _: object) -> dict[str, Any]:
    message = {
        "sid": event.message_sid,
        "data": orjson.Fragment(event.data),
        "date_created": format_milliseconds(event.at_ms),
        "created_by": event.by,
    }
    return {**_of_stream(event), "message": message}


def _missed(event: Missed, _: object) -> dict[str, Any]:
    return {**_of_stream(event), "count": event.count}


def _of_object(event: Event, **rest: Any) -> dict[str, Any]:
    head = {
        "sid": event.sid,
        "unique_name": event.unique_name,
        "revision": str(event.revision),
        "previous_revision": str(event.previous),
    }
    return {type_of_sid(event.sid).name: head | rest}


def _of_stream(event: Event) -> dict[str, Any]:
    # A message is not stored: it has no revision, and does not repeat the name of its stream.
    return {type_of_sid(event.sid).name: {"sid": event.sid}}


def _author(event: Event) -> dict[str, Any]:
    return {"date_updated": format_milliseconds(event.at_ms), "updated_by": event.by}


_EVENTS: Mapping[type[Event], tuple[str, Callable[..., dict[str, Any]]]] = {
    Updated: ("updated", _updated),
    ExpiryChanged: ("expiry", _expiry_changed),
    Removed: ("removed", _removed),
    ItemsChanged: ("items", _items_changed),
    ItemsReset: ("reset", _items_reset),
    Message: ("message", _message),
    Missed: ("missed", _missed),
}
"""The name of each event, and what makes its members."""


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
    """Make the member with the newest document; none if the refusal has none."""
    if not isinstance(refusal.newest, Document):
        return {}
    return {DOCUMENT.name: document_body(refusal.newest)}


def event_name(event: Event) -> str:
    """The name of an event, such as `updated` or `removed`."""
    return _EVENTS[type(event)][0]


def encode_event(event: Event, instead: dict[str, Any] | None = None) -> bytes:
    """Encode the text frame of an event. Use `Event.encoded`, which encodes only once."""
    return orjson.dumps({"event": event_name(event), **event_members(event, instead)})


def encode_delta(event: Event) -> bytes | None:
    """Encode an event with deltas in place of data; None if none is worth it, or none is possible.

    That of an object is for clients at `event.previous`; that of an item names its base.
    """
    found: dict[str, dict[str, Any]] = {}
    if isinstance(event, Updated):
        if event.base is not None:
            found = _delta(event.base, event.data)
    elif isinstance(event, ItemsChanged):
        for change in event.changes:
            if (base := event.base_of(change)) is not None and (
                delta := _delta(base, change.item.data)
            ):
                found[change.item.key] = {"previous_revision": str(base.revision), **delta}
    event.has_delta = bool(found)
    return encode_event(event, found) if found else None


def _delta(base: Base, data: bytes) -> dict[str, Any]:
    """The member `delta`; empty if it is not worth sending."""
    delta = base.delta_to(data)
    if delta is None:
        return {}
    operations = orjson.Fragment(delta.operations)
    return {"delta": {"operations": operations, "digest": delta.digest}}


def encode_ok(request_id: int, body: dict[str, Any]) -> bytes:
    """Encode the reply to a request that succeeded."""
    return orjson.dumps({"id": request_id, "ok": body})


def encode_error(
    request_id: int, refusal: Refusal, details: Mapping[str, Any] | None = None
) -> bytes:
    """Encode the reply to a request that was refused; `details` go beside the message."""
    return orjson.dumps({"id": request_id, "error": {**error_body(refusal), **(details or {})}})


def encode_notice(name: str, **members: Any) -> bytes:
    """Encode a message of the server that is not about a document."""
    return orjson.dumps({"event": name, **members})
