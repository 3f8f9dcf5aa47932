"""Parses the events that the scripts publish on the channel of an object."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from syncline_protocol.documents import Updated
from syncline_protocol.items import Change, ChangeKind, Item, ItemsChanged, ItemsReset
from syncline_protocol.objects import DOCUMENT, Event, ExpiryChanged, Removed, type_of_sid
from syncline_protocol.streams import Message

from .notices import Notice, ServerMessage
from .rights import Right, RightsChanged

__all__ = ["parse_event"]

Head = dict[str, Any]


def parse_event(payload: bytes) -> Event | Notice:
    """The event in a message: one line of JSON, then the data as it is stored.

    Raises:
        LookupError, TypeError, ValueError: this version does not know such an event.
    """
    line, _, data = payload.partition(b"\n")
    head = orjson.loads(line)
    return _PARSERS[head["kind"]](head, data)


def fields_of_event(head: Head) -> dict[str, Any]:
    """What every event of a write has."""
    return {
        "sid": head["sid"],
        "unique_name": head["name"] or None,
        "revision": int(head["revision"]),
        "previous": int(head["previous"]),
        "at_ms": int(head["at"]),
        "by": head["by"],
        "trace": head.get("trace"),
    }


def _updated(head: Head, data: bytes) -> Event:
    expires_ms = _expiry_of(head)
    if type_of_sid(head["sid"]) is DOCUMENT:
        return Updated(**fields_of_event(head), data=data, expires_ms=expires_ms)
    return ExpiryChanged(**fields_of_event(head), expires_ms=expires_ms)


def _expiry_of(head: Head) -> int | None:
    return int(head["expires"]) if head["expires"] else None


def _items(head: Head, data: bytes) -> ItemsChanged:
    event = fields_of_event(head)
    changes, end = [], 0
    for each in head["changes"]:
        start, end = end, end + each["size"]
        item = Item(
            key=each["key"],
            revision=int(each["revision"]),
            born=int(each["born"]),
            data=data[start:end],
            created_ms=int(each["created"]),
            updated_ms=event["at_ms"],
            expires_ms=_expiry_of(each),
            created_by=each["creator"],
            updated_by=event["by"],
        )
        kind = ChangeKind(each["kind"])
        changes.append(Change(kind=kind, item=item, expired=each.get("expired", False)))
    return ItemsChanged(**event, changes=tuple(changes), expires_ms=_expiry_of(head))


def _reset(head: Head, _: bytes) -> ItemsReset:
    return ItemsReset(**fields_of_event(head))


def _removed(head: Head, _: bytes) -> Removed:
    return Removed(**fields_of_event(head), expired=head["kind"] == "expired")


def _message(head: Head, data: bytes) -> Message:
    return Message(
        sid=head["sid"],
        unique_name=None,
        revision=0,
        previous=0,
        at_ms=int(head["at"]),
        by=head["by"],
        message_sid=head["message"],
        data=data,
        trace=head.get("trace"),
    )


def _rights(head: Head, _: bytes) -> RightsChanged:
    return RightsChanged(head["sid"], head["identity"], Right(int(head["rights"])))


_PARSERS: Mapping[str, Callable[[Head, bytes], Event | Notice]] = {
    "updated": _updated,
    "items": _items,
    "reset": _reset,
    "removed": _removed,
    "expired": _removed,
    "message": _message,
    "rights": _rights,
    "server": ServerMessage,
}
"""By the kind of event; the kinds of one type's items begin with its name."""
