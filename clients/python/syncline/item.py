"""Item of a list or map at one revision."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic

import orjson

from syncline_protocol import dates

from .display import Shown, shorten
from .header import JsonObject
from .type_variables import Defaulted, K, T

if TYPE_CHECKING:
    from .models.codec import ModelCodec

__all__ = ["Item", "key_of"]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Item(Defaulted, Shown, Generic[T, K]):
    """One state of an item (docs/protocol.md, section 2).

    Attributes:
        key: the key; of a list the index.
        order: the revision as a number, which increases with every write.
        json: the data as compact UTF-8 JSON; immutable.
        date_created, date_updated: UTC.
        date_expires: UTC; None if the item never expires.
        created_by, updated_by: an identity, or `system`.
        codec: makes `data` an instance of the handle's model; None if the handle has none.
    """

    key: K
    order: int
    json: bytes
    date_created: datetime
    date_updated: datetime
    date_expires: datetime | None
    created_by: str
    updated_by: str
    codec: ModelCodec[T] | None = field(default=None, compare=False)

    def __repr__(self) -> str:
        return f"<Item {self.key!r} at revision {self.order}: {shorten(self.json)}>"

    def _rows(self) -> list[tuple[object, str]]:
        return [("key", repr(self.key)), ("revision", self.revision), ("data", shorten(self.json))]

    @property
    def data(self) -> T:
        """The data, parsed again at each access: the caller may change it.

        Raises:
            ModelMismatch: it does not fit the model of the handle.
        """
        data: T = orjson.loads(self.json) if self.codec is None else self.codec.decode(self.json)
        return data

    def with_codec(self, codec: ModelCodec[Any]) -> Item[Any, K]:
        """Return the same item with the data of a model."""
        return replace(self, codec=codec)

    @property
    def revision(self) -> str:
        """The revision, as `if_match` takes it."""
        return str(self.order)

    @classmethod
    def parse(cls, body: JsonObject, json: bytes | None = None) -> Item[Any, Any]:
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
