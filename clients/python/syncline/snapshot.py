"""Snapshot of a document at one revision."""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from .header import Header, JsonObject, header_members

__all__ = ["Snapshot"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot(Header):
    """One state of a document (docs/protocol.md, section 2): a header with data.

    Attributes:
        json: the data as compact UTF-8 JSON; immutable, because handles share a snapshot.
    """

    json: bytes

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
        if json is None:
            json = orjson.dumps(body["data"]) if base is None or "data" in body else base.json
        return cls(json=json, **header_members(body, base))
