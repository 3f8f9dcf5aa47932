# Made by scripts/generate-blocking. Do not edit: change the async source.
"""The documents of one service."""

from __future__ import annotations

import orjson

from syncline.encoding import encode_data
from syncline.header import Header, JsonObject
from syncline.snapshot import Snapshot
from syncline_protocol.objects import DOCUMENT

from .document import Document
from .objects import Objects

__all__ = ["Documents"]


class Documents(Objects[Document]):
    """The documents of one service, by SID or unique name."""

    type = DOCUMENT

    def create(
        self,
        unique_name: str | None = None,
        data: JsonObject | None = None,
        *,
        ttl: int | None = None,
        sid: str | None = None,
        operation_id: str | None = None,
    ) -> Document:
        """Create a document.

        Args:
            unique_name: None for a document without a name.
            data: a JSON object; None is an empty one.
            ttl: time to live in seconds; None or 0: never expires.
            sid: a SID of your own, `ET` and 32 hexadecimal digits; None lets the server choose.
            operation_id: as in `set` of a document.

        Raises:
            Conflict: the name or the SID is taken.
            InvalidRequest: a value is not allowed.
            TooLarge: `data` is larger than the server accepts.
        """
        json = None if data is None else orjson.Fragment(encode_data(data, None))
        return self._create(unique_name, operation_id, data=json, ttl=ttl, sid=sid)

    def get_or_create(
        self, unique_name: str, data: JsonObject | None = None, *, ttl: int | None = None
    ) -> Document:
        """Read a document, or create it if there is none; arguments as in `create`.

        `data` and `ttl` count only if it is created.
        """
        json = None if data is None else orjson.Fragment(encode_data(data, None))
        return self._get_or_create(unique_name, data=json, ttl=ttl)

    def _parse(self, body: JsonObject) -> Document:
        # The reply to a repeated operation lacks the data if the document has changed since.
        known = Snapshot.parse(body) if "data" in body else None
        return Document(self._http, body["sid"], known)

    def _handle(self, address: str, header: Header | None) -> Document:
        return Document(self._http, address, header)
