"""What subscribers receive, as the vendor's notifications: an event is none, one, or several."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from syncline_protocol.dates import format_milliseconds
from syncline_protocol.documents import Document, Updated
from syncline_protocol.item_types import item_type
from syncline_protocol.items import Change, ChangeKind, ItemsChanged, ItemsReset
from syncline_protocol.objects import Event, Header, Removed, type_of_sid
from syncline_protocol.streams import Message
from syncline_server.http import urls

from .objects import url_of_type

__all__ = ["Notification", "echo", "item_changed", "newest_state", "notifications"]


@dataclass(frozen=True, slots=True)
class Notification:
    """One notification.

    Attributes:
        packet_id: id of the packet; an SDK confirms it.
        event_type: the vendor's name of the event.
        body: the member `event`.
    """

    packet_id: str
    event_type: str
    body: Mapping[str, Any]


def notifications(event: Event, service_url: str) -> Iterable[Notification]:
    """The notifications of an event, in the order of their ids.

    None of an event that the vendor's protocol does not have: the change of the expiry of a
    collection, and messages that a slow reader missed.

    Args:
        service_url: begins the URLs of items.
    """
    make = _NOTIFICATIONS.get(type(event))
    return () if make is None else make(event, service_url)


def newest_state(state: Header) -> Iterable[Notification]:
    """What brings a client to the newest state of an object, as an update.

    None of an object without data of its own: its items are replayed.
    """
    if not isinstance(state, Document):
        return ()
    event = Updated(
        sid=state.sid,
        unique_name=state.unique_name,
        revision=state.revision,
        previous=state.revision,
        at_ms=state.updated_ms,
        by=state.updated_by,
        data=state.data,
        expires_ms=state.expires_ms,
    )
    return _updated(event, "")


def _updated(event: Updated, _: str) -> tuple[Notification]:
    """Always with name and expiry: the SDKs overwrite theirs."""
    body = {
        "id": event.revision,
        "document_sid": event.sid,
        "document_unique_name": event.unique_name,
        "document_revision": str(event.revision),
        "document_data": orjson.Fragment(event.data),
        "date_created": format_milliseconds(event.at_ms),
        "date_expires": _date(event.expires_ms),
    }
    return (Notification(_packet_id(event), "document_updated", body),)


def _removed(event: Removed | ItemsReset, _: str) -> tuple[Notification]:
    """The end of an object. A collection whose changes are not known one by one ends too: no other
    message makes an SDK drop the items that it has, and the application opens it again."""
    name = type_of_sid(event.sid).name
    body = {
        "id": event.revision,
        f"{name}_sid": event.sid,
        f"{name}_unique_name": event.unique_name,
    }
    return (Notification(_packet_id(event), f"{name}_removed", body),)


def _items_changed(event: ItemsChanged, service_url: str) -> Iterable[Notification]:
    return (item_changed(event, change, service_url) for change in event.changes)


def item_changed(event: ItemsChanged, change: Change, service_url: str) -> Notification:
    """The change of one item. Its time is that of the change, whatever the change is.

    `item_url` is how the JavaScript SDK writes an item that it knows from events alone. The data
    before a removal is empty where it is not known any more: handlers of applications read it.
    """
    item, items = change.item, item_type(type_of_sid(event.sid))
    name, item_id = items.type.name, items.show_id(item.key)
    body = {
        "id": item.revision,
        f"{name}_sid": event.sid,
        f"{name}_revision": str(item.revision),
        f"item_{items.id_name}": item_id,
        "item_revision": str(item.revision),
        "item_data": orjson.Fragment(item.data or b"{}"),
        "item_url": urls.item_url(f"{url_of_type(service_url, items.type)}/{event.sid}", item_id),
        "date_created": format_milliseconds(item.updated_ms),
        "date_expires": _date(None if change.kind is ChangeKind.REMOVED else item.expires_ms),
    }
    packet_id = f"{event.sid}-{item.revision}"
    return Notification(packet_id, f"{name}_item_{change.kind.value}", body)


def echo(sid: str, revision: int) -> Notification:
    """What a client receives in place of changes of items up to a revision that its SDK must not
    report: changes that it made itself and has reported, or that it has no use for.

    No SDK knows this type of event, but each takes its id as the newest that it has. Without that,
    the changes would come again after the next connection, as ones that were missed.
    """
    name = type_of_sid(sid).name
    body = {"id": revision, f"{name}_sid": sid, f"{name}_revision": str(revision)}
    return Notification(f"{sid}-{revision}", f"{name}_echo", body)


def _published(event: Message, _: str) -> tuple[Notification]:
    body = {
        "stream_sid": event.sid,
        "message_sid": event.message_sid,
        "message_data": orjson.Fragment(event.data),
    }
    return (Notification(event.message_sid, "stream_message_published", body),)


_NOTIFICATIONS: Mapping[type[Event], Callable[[Any, str], Iterable[Notification]]] = {
    Updated: _updated,
    Removed: _removed,
    ItemsChanged: _items_changed,
    ItemsReset: _removed,
    Message: _published,
}


def _packet_id(event: Event) -> str:
    return f"{event.sid}-{event.revision}"


def _date(ms: int | None) -> str | None:
    return None if ms is None else format_milliseconds(ms)
