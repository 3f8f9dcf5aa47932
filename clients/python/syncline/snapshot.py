"""Snapshot of a document at one revision."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Generic

import orjson

from .display import Shown, shorten
from .header import Header, JsonObject, header_members
from .type_variables import T

if TYPE_CHECKING:
    from .models.codec import ModelCodec

__all__ = ["Snapshot"]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Snapshot(Header, Shown, Generic[T]):
    """One state of a document (docs/protocol.md, section 2): a header with data.

    Attributes:
        json: the data as compact UTF-8 JSON; immutable, because handles share a snapshot.
        codec: makes `data` an instance of the handle's model; None if the handle has none.
    """

    json: bytes
    codec: ModelCodec[T] | None = field(default=None, compare=False)

    def __repr__(self) -> str:
        name = self.unique_name or self.sid
        return f"<Snapshot of {name} at revision {self.revision}: {shorten(self.json)}>"

    def _rows(self) -> list[tuple[object, str]]:
        return [("revision", str(self.revision)), ("data", shorten(self.json))]

    @property
    def data(self) -> T:
        """The data, parsed again at each access: the caller may change it.

        Raises:
            ModelMismatch: it does not fit the model of the handle.
        """
        data: T = orjson.loads(self.json) if self.codec is None else self.codec.decode(self.json)
        return data

    def with_codec(self, codec: ModelCodec[Any]) -> Snapshot[Any]:
        """Return the same state with the data of a model."""
        return replace(self, codec=codec)

    @classmethod
    def parse(
        cls, body: JsonObject, base: Snapshot[Any] | None = None, json: bytes | None = None
    ) -> Snapshot[Any]:
        """Parse the state in a message.

        Args:
            body: the `document` of a reply or an event; or a REST resource.
            base: an earlier state, for the members that `body` omits.
            json: the data, if the caller knows it; None takes it from `body` or `base`.

        Raises:
            KeyError: a member is missing and there is no `base` to take it from.
        """
        if json is None:
            json = orjson.dumps(body["data"]) if base is None or "data" in body else base.json
        return cls(json=json, **header_members(body, base))
