"""Format of an exported file, and the documents that an import reads from it.

An export is JSON lines: one document a line, as REST returns it. The last line holds the number of
documents; without it the export is incomplete.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from syncline import InvalidRequest, JsonObject
from syncline.encoding import encode
from syncline_protocol import dates, fields, jsondata
from syncline_protocol.errors import Code, Refusal

from .output import FIELDS

__all__ = ["End", "Record", "Unusable", "from_line", "from_resource", "to_line"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A document to import.

    Attributes:
        label: name of the document in messages.
        sid: SID in the source; None if it is unknown.
        unique_name: None if the document has no name.
        data: compact JSON.
        date_expires: None if the document never expires.
    """

    label: str
    sid: str | None
    unique_name: str | None
    data: bytes
    date_expires: datetime | None

    def remaining(self) -> int | None:
        """Whole seconds until the document expires, 0 or less if it has; None if it never does."""
        if self.date_expires is None:
            return None
        left = math.ceil((self.date_expires - datetime.now(UTC)).total_seconds())
        return min(left, fields.TTL_LIMIT)


@dataclass(frozen=True, slots=True)
class Unusable:
    """Input that is not a valid document; `reason` is a sentence, the rest is as in `Record`."""

    label: str
    reason: str
    sid: str | None = None
    unique_name: str | None = None


@dataclass(frozen=True, slots=True)
class End:
    """The last line of an export; `documents` is the number of documents before it."""

    documents: int

    def to_line(self) -> bytes:
        """The line, with its line break."""
        return orjson.dumps({"end": {"documents": self.documents}}) + b"\n"


def to_line(resource: JsonObject) -> bytes:
    """The line of an export for a document, with its line break."""
    return orjson.dumps({name: resource[name] for name in FIELDS if name in resource}) + b"\n"


def from_line(line: bytes, label: str) -> Record | Unusable | End:
    """Parse a line of an export."""
    try:
        value = jsondata.parse(line, "The line")
        if not isinstance(value, dict):
            raise _wrong("The line", "a JSON object", value)
        return _end(value["end"]) if value.keys() == {"end"} else _record(value, label)
    except Refusal as refusal:
        return Unusable(label, refusal.message)


def from_resource(resource: Any) -> Record | Unusable:
    """Parse a document that a server's REST API returned."""
    if not isinstance(resource, dict):
        return Unusable(fields.show(resource), "It is not a JSON object.")
    sid, name = resource.get("sid"), resource.get("unique_name")
    label = str(sid) if name is None else f"{sid} ({fields.show(name)})"
    try:
        record = _record(resource, label)
        # Another server may allow values that Syncline refuses. Checked here, the reason appears
        # with this document's label.
        jsondata.parse(record.data, "data")
    except Refusal as refusal:
        return Unusable(label, refusal.message, sid, name)
    return record


def _record(value: JsonObject, label: str) -> Record:
    sid, name = value.get("sid"), value.get("unique_name")
    return Record(
        label=label,
        sid=None if sid is None else fields.text(sid, "sid"),
        unique_name=None if name is None else fields.unique_name(name, "unique_name"),
        data=_data(value.get("data")),
        date_expires=_date(value.get("date_expires")),
    )


def _data(value: Any) -> bytes:
    if not isinstance(value, dict):
        raise _wrong("data", "a JSON object", value)
    try:
        return encode(value)
    except InvalidRequest as error:
        raise Refusal(Code.INVALID_JSON, error.message) from None


def _date(value: Any) -> datetime | None:
    try:
        return None if value is None else dates.parse(value)
    except (TypeError, ValueError):
        raise _wrong("date_expires", "null or a date such as 2026-01-31T08:15:30Z", value) from None


def _end(value: Any) -> End:
    documents = value.get("documents") if isinstance(value, dict) else None
    if not isinstance(documents, int):
        raise _wrong("documents", "the number of documents", documents)
    return End(documents)


def _wrong(field: str, wanted: str, value: Any) -> Refusal:
    return Refusal(
        Code.INVALID_PARAMETER, f"{field} must be {wanted}; {fields.show(value)} was given."
    )
