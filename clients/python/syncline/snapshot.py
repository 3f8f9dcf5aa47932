"""Snapshot of a document at one revision."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from syncline_protocol import dates

__all__ = ["JsonObject", "Snapshot"]

JsonObject = dict[str, Any]
"""A parsed JSON object."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One state of a document (docs/protocol.md, section 2).

    Attributes:
        sid: `ET` and 32 hexadecimal digits.
        unique_name: None if the document has none.
        revision: increases with every write.
        json: the data as compact UTF-8 JSON; immutable, because handles share a snapshot.
        date_created, date_updated: UTC.
        date_expires: UTC; None if the document never expires.
        created_by, updated_by: an identity, or `system`.
    """

    sid: str
    unique_name: str | None
    revision: int
    json: bytes
    date_created: datetime
    date_updated: datetime
    date_expires: datetime | None
    created_by: str
    updated_by: str

    @property
    def data(self) -> JsonObject:
        """The data, parsed again at each access: the caller may change it."""
        data: JsonObject = orjson.loads(self.json)
        return data

    @classmethod
    def parse(
        cls, body: JsonObject, base: Snapshot | None = None, json: bytes | None = None
    ) -> Snapshot:
        """Parse the state in a message.

        Args:
            body: the `document` of a reply or an event; or a REST resource.
            base: an earlier state, for the members that `body` omits.
            json: the data, if the caller knows it; None takes it from `body` or `base`.

        Raises:
            KeyError: a member is missing and there is no `base` to take it from.
        """

        def member(name: str) -> Any:
            return body[name] if base is None or name in body else getattr(base, name)

        def date(name: str) -> Any:
            value = member(name)
            return dates.parse(value) if isinstance(value, str) else value

        if json is None:
            json = orjson.dumps(body["data"]) if base is None or "data" in body else base.json
        return cls(
            sid=body["sid"],
            unique_name=member("unique_name"),
            revision=int(body["revision"]),
            json=json,
            date_created=date("date_created"),
            date_updated=date("date_updated"),
            date_expires=date("date_expires"),
            created_by=member("created_by"),
            updated_by=member("updated_by"),
        )
