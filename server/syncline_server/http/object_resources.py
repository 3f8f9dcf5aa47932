"""JSON representations of objects and items in REST v1."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from syncline_protocol.dates import format_seconds
from syncline_protocol.documents import Document
from syncline_protocol.item_types import ItemType
from syncline_protocol.items import Change, ChangeKind, Item
from syncline_protocol.objects import Header

from . import urls
from .object_forms import DOCUMENTS, ObjectForm
from .reply_context import ReplyContext

__all__ = ["batch_resource", "document_resource", "item_resource", "object_resource"]


def object_resource(header: Header, where: ReplyContext, form: ObjectForm) -> dict[str, Any]:
    """The properties of the vendor's resource of this type, and `updated_by`: the last writer."""
    url = urls.object_url(where.base_url, where.service_sid, form.type, header.sid)
    return {
        "sid": header.sid,
        "unique_name": header.unique_name,
        "account_sid": where.account_sid,
        "service_sid": where.service_sid,
        "url": url,
        "links": {name: f"{url}/{segment}" for name, segment in form.links.items()},
        **({"revision": str(header.revision)} if form.has_revision else {}),
        **_dates(header),
    }


def document_resource(document: Document, where: ReplyContext) -> dict[str, Any]:
    """As `object_resource`, and `data`.

    `data` is missing in the reply to a repeated operation if the document has changed since.
    """
    resource = object_resource(document, where, DOCUMENTS)
    if document.data:
        resource["data"] = orjson.Fragment(document.data)
    return resource


def item_resource(
    item: Item, items: ItemType, collection: Header, where: ReplyContext
) -> dict[str, Any]:
    """The properties of the vendor's List Item or Map Item resource, and `updated_by`.

    `data` is missing in the reply to a repeated operation if the item has changed since.
    """
    item_id = items.show_id(item.key)
    url = urls.object_url(where.base_url, where.service_sid, items.type, collection.sid)
    resource: dict[str, Any] = {
        items.id_name: item_id,
        "account_sid": where.account_sid,
        "service_sid": where.service_sid,
        f"{items.type.name}_sid": collection.sid,
        "url": urls.item_url(url, item_id),
        "revision": str(item.revision),
        **_dates(item),
    }
    if item.data:
        resource["data"] = orjson.Fragment(item.data)
    return resource


def batch_resource(
    changes: Iterable[Change], items: ItemType, collection: Header
) -> dict[str, Any]:
    """What a batch did: the collection's revision, and each item, in the order of operations."""
    return {
        f"{items.type.name}_sid": collection.sid,
        "revision": str(collection.revision),
        "date_updated": format_seconds(collection.updated_ms),
        "date_expires": _date(collection.expires_ms),
        "items": [
            {
                items.id_name: items.show_id(change.item.key),
                "change": change.kind.value,
                "revision": str(change.item.revision),
                **({} if change.kind is ChangeKind.REMOVED else _dates(change.item)),
            }
            # An expired item that a batch found makes a change of its own, before the operation's.
            for change in changes
            if not change.expired
        ],
    }


def _dates(dated: Header | Item) -> dict[str, Any]:
    return {
        "date_created": format_seconds(dated.created_ms),
        "date_updated": format_seconds(dated.updated_ms),
        "date_expires": _date(dated.expires_ms),
        "created_by": dated.created_by,
        "updated_by": dated.updated_by,
    }


def _date(ms: int | None) -> str | None:
    return None if ms is None else format_seconds(ms)
