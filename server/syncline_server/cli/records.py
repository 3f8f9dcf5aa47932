"""Format of an exported file, and the documents that an import reads from it.

An export is JSON lines: one document a line, as REST returns it; a line with a `type` is another
object (see `object_records`). The last line holds the number of lines before it; without it the
export is incomplete.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

from syncline import InvalidRequest, JsonObject
from syncline.encoding import encode
from syncline_protocol import dates, fields, jsondata
from syncline_protocol.errors import Code, Refusal

from .output import FIELDS

__all__ = [
    "DOCUMENT_KIND",
    "End",
    "Record",
    "Unusable",
    "from_resource",
    "parse_data",
    "parse_date",
    "parse_end",
    "parse_record",
    "seconds_left",
    "to_line",
    "wrong",
]

DOCUMENT_KIND = "document"
"""The `type` of a document's line, which is optional."""


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

    @property
    def kind(self) -> str:
        """The `type` of its line."""
        return DOCUMENT_KIND

    def remaining(self) -> int | None:
        """Whole seconds until the document expires, 0 or less if it has; None if it never does."""
        return seconds_left(self.date_expires)


@dataclass(frozen=True, slots=True)
class Unusable:
    """Input that is not a valid record; `reason` is a sentence, the rest is as in `Record`."""

    label: str
    reason: str
    sid: str | None = None
    unique_name: str | None = None
    kind: str = DOCUMENT_KIND


@dataclass(frozen=True, slots=True)
class End:
    """The last line of an export: the number of documents before it, and of others by their type.

    Earlier exports have only documents.
    """

    documents: int
    others: Mapping[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """The number of lines before this one."""
        return self.documents + sum(self.others.values())

    @property
    def counted(self) -> str:
        """What `total` counts, for messages."""
        return "records" if self.others else "documents"

    def to_line(self) -> bytes:
        """The line, with its line break."""
        return orjson.dumps({"end": {"documents": self.documents, **self.others}}) + b"\n"


def to_line(resource: JsonObject) -> bytes:
    """The line of an export for a document, with its line break."""
    return orjson.dumps({name: resource[name] for name in FIELDS if name in resource}) + b"\n"


def from_resource(resource: Any) -> Record | Unusable:
    """Parse a document that a server's REST API returned."""
    if not isinstance(resource, dict):
        return Unusable(fields.show(resource), "It is not a JSON object.")
    sid, name = resource.get("sid"), resource.get("unique_name")
    label = str(sid) if name is None else f"{sid} ({fields.show(name)})"
    try:
        record = parse_record(resource, label)
        # Another server may allow values that Syncline refuses. Checked here, the reason appears
        # with this document's label.
        jsondata.parse(record.data, "data")
    except Refusal as refusal:
        return Unusable(label, refusal.message, sid, name)
    return record


def parse_record(value: JsonObject, label: str) -> Record:
    """Parse a document; `label` names it in messages. Raises `Refusal`."""
    sid, name = value.get("sid"), value.get("unique_name")
    return Record(
        label=label,
        sid=None if sid is None else fields.text(sid, "sid"),
        unique_name=None if name is None else fields.unique_name(name, "unique_name"),
        data=parse_data(value.get("data")),
        date_expires=parse_date(value.get("date_expires")),
    )


def seconds_left(date_expires: datetime | None) -> int | None:
    """Whole seconds until a date, 0 or less if it is past; None for None."""
    if date_expires is None:
        return None
    left = math.ceil((date_expires - datetime.now(UTC)).total_seconds())
    return min(left, fields.TTL_LIMIT)


def parse_data(value: Any) -> bytes:
    """Compact JSON of an object. Raises `Refusal`."""
    if not isinstance(value, dict):
        raise wrong("data", "a JSON object", value)
    try:
        return encode(value)
    except InvalidRequest as error:
        raise Refusal(Code.INVALID_JSON, error.message) from None


def parse_date(value: Any) -> datetime | None:
    """The date of an expiry; None if there is none. Raises `Refusal`."""
    try:
        return None if value is None else dates.parse(value)
    except (TypeError, ValueError):
        raise wrong("date_expires", "null or a date such as 2026-01-31T08:15:30Z", value) from None


def parse_end(value: Any) -> End:
    """The counts of the last line. Raises `Refusal`."""
    counts = dict(value) if isinstance(value, dict) else {}
    documents = counts.pop("documents", None)
    if not isinstance(documents, int):
        raise wrong("documents", "the number of documents", documents)
    for name, count in counts.items():
        if not isinstance(count, int):
            raise wrong(fields.show(name), "a number of records", count)
    return End(documents, counts)


def wrong(field: str, wanted: str, value: Any) -> Refusal:
    """The refusal of a value that is not what is wanted."""
    return Refusal(
        Code.INVALID_PARAMETER, f"{field} must be {wanted}; {fields.show(value)} was given."
    )
