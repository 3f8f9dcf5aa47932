"""How objects and items look in replies and events (docs/protocol.md, section 2)."""

from __future__ import annotations

from typing import Any

import orjson

from syncline_protocol.dates import format_milliseconds
from syncline_protocol.documents import Document
from syncline_protocol.item_types import ItemType
from syncline_protocol.items import Change, ChangeKind, Item
from syncline_protocol.objects import Header

__all__ = ["change_body", "date_or_none", "document_body", "header_body", "item_body"]


def header_body(header: Header) -> dict[str, Any]:
    """What a reply says of an object of any type."""
    # As `_dates` has them, but in one dictionary: the reply to every write has this.
    expires_ms = header.expires_ms
    return {
        "sid": header.sid,
        "unique_name": header.unique_name,
        "revision": str(header.revision),
        "date_created": format_milliseconds(header.created_ms),
        "date_updated": format_milliseconds(header.updated_ms),
        "date_expires": None if expires_ms is None else format_milliseconds(expires_ms),
        "created_by": header.created_by,
        "updated_by": header.updated_by,
    }


def document_body(document: Document, *, data: bool = True) -> dict[str, Any]:
    """A document; without `data` if the client has it."""
    body = header_body(document)
    if data:
        body["data"] = orjson.Fragment(document.data)
    return body


def item_body(item: Item, items: ItemType, *, data: bool = True) -> dict[str, Any]:
    """An item; without `data` if the client has it, or the server does not know it."""
    body: dict[str, Any] = {
        items.id_name: items.show_id(item.key),
        "revision": str(item.revision),
        **_dates(item),
    }
    if data and item.data:
        body["data"] = orjson.Fragment(item.data)
    return body


def change_body(change: Change, items: ItemType, *, data: bool = True) -> dict[str, Any]:
    """The change of an item, in an event or in the reply to an `open` that resumes.

    `data` of a removal is always there if it is known: the client has not sent it.
    """
    item = change.item
    kind: dict[str, Any] = {"kind": change.kind.value}
    if change.kind is not ChangeKind.REMOVED:
        return kind | item_body(item, items, data=data)
    body = kind | {
        items.id_name: items.show_id(item.key),
        "revision": str(item.revision),
        "date_removed": format_milliseconds(item.updated_ms),
        "removed_by": item.updated_by,
        "expired": change.expired,
    }
    if item.data:
        body["data"] = orjson.Fragment(item.data)
    return body


def date_or_none(ms: int | None) -> str | None:
    """A date, or None for never."""
    return None if ms is None else format_milliseconds(ms)


def _dates(item: Item) -> dict[str, Any]:
    return {
        "date_created": format_milliseconds(item.created_ms),
        "date_updated": format_milliseconds(item.updated_ms),
        "date_expires": date_or_none(item.expires_ms),
        "created_by": item.created_by,
        "updated_by": item.updated_by,
    }
