"""Lists, maps, streams, their items and permissions: as lines of an export, and as an import reads
them.

Each line is the resource that REST returns, with a `type`: `map`, `map_item` or `map_permission`.
Items and permissions come after the line of their object, and name it by its SID.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from syncline import JsonObject
from syncline_protocol import fields, jsondata
from syncline_protocol.errors import Refusal
from syncline_protocol.item_types import item_type
from syncline_protocol.objects import TYPES, ObjectType

from .records import Unusable, parse_data, parse_date, seconds_left, wrong

__all__ = [
    "KINDS",
    "HeaderRecord",
    "ItemRecord",
    "ObjectRecord",
    "PermissionRecord",
    "item_kind",
    "object_line",
    "parse_object",
    "permission_kind",
]

RIGHTS = ("read", "write", "manage")

_HEADER_FIELDS = ("sid", "unique_name", "revision")
_DATES = ("date_created", "date_updated", "date_expires", "created_by", "updated_by")


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderRecord:
    """A list, map or stream to import, without its items.

    Attributes:
        label: name of the record in messages.
        sid: SID in the source.
        date_expires: None if the object never expires.
    """

    label: str
    type: ObjectType
    sid: str
    unique_name: str | None
    date_expires: datetime | None

    @property
    def kind(self) -> str:
        """The `type` of its line."""
        return self.type.name

    def remaining(self) -> int | None:
        """As `Record.remaining`."""
        return seconds_left(self.date_expires)


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemRecord:
    """An item to import.

    Attributes:
        sid: SID of the list or map in the source.
        id: the key or the index in the source.
        data: compact JSON.
    """

    label: str
    type: ObjectType
    sid: str
    id: str | int
    data: bytes
    date_expires: datetime | None

    @property
    def kind(self) -> str:
        """The `type` of its line."""
        return item_kind(self.type)

    def remaining(self) -> int | None:
        """As `Record.remaining`."""
        return seconds_left(self.date_expires)


@dataclass(frozen=True, slots=True, kw_only=True)
class PermissionRecord:
    """A permission to import.

    Attributes:
        sid: SID of the list or map in the source.
        rights: by `read`, `write` and `manage`.
    """

    label: str
    type: ObjectType
    sid: str
    identity: str
    rights: Mapping[str, bool]

    @property
    def kind(self) -> str:
        """The `type` of its line."""
        return permission_kind(self.type)


ObjectRecord = HeaderRecord | ItemRecord | PermissionRecord


def item_kind(type_: ObjectType) -> str:
    """The `type` of a line with an item."""
    return f"{type_.name}_item"


def permission_kind(type_: ObjectType) -> str:
    """The `type` of a line with a permission."""
    return f"{type_.name}_permission"


def object_line(kind: str, resource: JsonObject) -> bytes:
    """The line of an export for a resource of a kind in `KINDS`, with its line break."""
    known = {name: resource[name] for name in KINDS[kind].fields if name in resource}
    return orjson.dumps({"type": kind, **known}) + b"\n"


def parse_object(kind: str, resource: JsonObject, label: str | None) -> ObjectRecord | Unusable:
    """Parse a line of an export, or a resource that a server's REST API returned.

    `label`: name in messages; None makes one of the resource's properties.
    """
    row = KINDS[kind]
    if label is None:
        known = (resource.get(name) for name in row.label_fields)
        label = " ".join(fields.show(value) for value in known if value is not None)
        label = f"{kind.replace('_', ' ')} {label}"
    try:
        return row.parse(resource, label)
    except Refusal as refusal:
        return Unusable(label, refusal.message, kind=kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """How one kind of line is read and written.

    Attributes:
        fields: the properties of the resource that a line has.
        label_fields: the properties that name a resource in messages.
    """

    fields: tuple[str, ...]
    label_fields: tuple[str, ...]
    parse: Callable[[JsonObject, str], ObjectRecord]


def _header_kind(type_: ObjectType) -> _Kind:
    def parse(value: JsonObject, label: str) -> HeaderRecord:
        name = value.get("unique_name")
        return HeaderRecord(
            label=label,
            type=type_,
            sid=_text(value, "sid"),
            unique_name=None if name is None else fields.unique_name(name, "unique_name"),
            date_expires=parse_date(value.get("date_expires")),
        )

    return _Kind(fields=_HEADER_FIELDS + _DATES, label_fields=("sid", "unique_name"), parse=parse)


def _item_kind(type_: ObjectType) -> _Kind:
    items, sid = item_type(type_), f"{type_.name}_sid"

    def parse(value: JsonObject, label: str) -> ItemRecord:
        data = parse_data(value.get("data"))
        # As for documents: another server may allow values that Syncline refuses.
        jsondata.parse(data, "data")
        return ItemRecord(
            label=label,
            type=type_,
            sid=_text(value, sid),
            id=items.show_id(items.parse_id(value.get(items.id_name))),
            data=data,
            date_expires=parse_date(value.get("date_expires")),
        )

    return _Kind(
        fields=(sid, items.id_name, "revision", "data", *_DATES),
        label_fields=(sid, items.id_name),
        parse=parse,
    )


def _permission_kind(type_: ObjectType) -> _Kind:
    sid = f"{type_.name}_sid"

    def parse(value: JsonObject, label: str) -> PermissionRecord:
        rights = {name: value.get(name, False) for name in RIGHTS}
        for name, right in rights.items():
            if not isinstance(right, bool):
                raise wrong(name, "true or false", right)
        return PermissionRecord(
            label=label,
            type=type_,
            sid=_text(value, sid),
            identity=_text(value, "identity"),
            rights=rights,
        )

    return _Kind(fields=(sid, "identity", *RIGHTS), label_fields=(sid, "identity"), parse=parse)


def _text(value: Mapping[str, Any], name: str) -> str:
    given = value.get(name)
    if not isinstance(given, str) or not given:
        raise wrong(name, "a text", given)
    return given


def _kinds() -> dict[str, _Kind]:
    # Documents have lines of their own, without a `type`: see `records`.
    kinds = {}
    for type_ in TYPES[1:]:
        kinds[type_.name] = _header_kind(type_)
        if type_.has_items:
            kinds[item_kind(type_)] = _item_kind(type_)
            kinds[permission_kind(type_)] = _permission_kind(type_)
    return kinds


KINDS: Mapping[str, _Kind] = _kinds()
"""Each kind of line by its `type`."""
