"""Item of a list or map at one revision."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

import orjson

from syncline_protocol import dates

from .header import JsonObject

__all__ = ["Item", "K", "key_of"]

K = TypeVar("K", bound=str | int)
"""Key of an item: a string in a map, the index in a list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item(Generic[K]):
    """One state of an item (docs/protocol.md, section 2).

    Attributes:
        key: the key; of a list the index.
        order: the revision as a number, which increases with every write.
        json: the data as compact UTF-8 JSON; immutable.
        date_created, date_updated: UTC.
        date_expires: UTC; None if the item never expires.
        created_by, updated_by: an identity, or `system`.
    """

    key: K
    order: int
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

    @property
    def revision(self) -> str:
        """The revision, as `if_match` takes it."""
        return str(self.order)

    @classmethod
    def parse(cls, body: JsonObject, json: bytes | None = None) -> Item[Any]:
        """Parse an item in a message, or a REST resource.

        `json` is the data, if the caller knows it; None takes it from `body`.

        Raises:
            KeyError: a member is missing.
        """
        expires = body["date_expires"]
        return Item(
            key=key_of(body),
            order=int(body["revision"]),
            json=orjson.dumps(body["data"]) if json is None else json,
            date_created=dates.parse(body["date_created"]),
            date_updated=dates.parse(body["date_updated"]),
            date_expires=None if expires is None else dates.parse(expires),
            created_by=body["created_by"],
            updated_by=body["updated_by"],
        )


def key_of(body: JsonObject) -> Any:
    """Key of the item or change in a message."""
    return body["key"] if "key" in body else int(body["index"])
