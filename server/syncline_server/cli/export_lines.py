"""The lines of an exported file, of every kind."""

from __future__ import annotations

from syncline import JsonObject
from syncline_protocol import jsondata
from syncline_protocol.errors import Refusal

from .object_records import KINDS, ObjectRecord, object_line, parse_object
from .records import (
    DOCUMENT_KIND,
    End,
    Record,
    Unusable,
    from_resource,
    parse_end,
    parse_record,
    to_line,
    wrong,
)

__all__ = ["AnyRecord", "export_line", "from_kind", "from_line"]

AnyRecord = Record | ObjectRecord


def export_line(kind: str, resource: JsonObject) -> bytes:
    """The line for a resource, with its line break."""
    return to_line(resource) if kind == DOCUMENT_KIND else object_line(kind, resource)


def from_line(line: bytes, label: str) -> AnyRecord | Unusable | End:
    """Parse a line of an export."""
    try:
        value = jsondata.parse(line, "The line")
        if not isinstance(value, dict):
            raise wrong("The line", "a JSON object", value)
        if value.keys() == {"end"}:
            return parse_end(value["end"])
        kind = value.get("type", DOCUMENT_KIND)
        if kind == DOCUMENT_KIND:
            return parse_record(value, label)
        if not isinstance(kind, str) or kind not in KINDS:
            raise wrong("type", f"{', '.join(KINDS)} or {DOCUMENT_KIND}", kind)
        return parse_object(kind, value, label)
    except Refusal as refusal:
        return Unusable(label, refusal.message)


def from_kind(kind: str, resource: object) -> AnyRecord | Unusable:
    """Parse a resource that a server's REST API returned."""
    if kind == DOCUMENT_KIND or not isinstance(resource, dict):
        return from_resource(resource)
    return parse_object(kind, resource, None)
