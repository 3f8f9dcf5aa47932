"""The documents of one service."""

from __future__ import annotations

import orjson

from syncline.encoding import encode_data
from syncline.header import Header, JsonObject
from syncline.snapshot import Snapshot
from syncline_protocol.objects import DOCUMENT

from .document import AsyncDocument
from .objects import AsyncObjects

__all__ = ["AsyncDocuments"]


class AsyncDocuments(AsyncObjects[AsyncDocument]):
    """The documents of one service, by SID or unique name."""

    type = DOCUMENT

    async def create(
        self,
        unique_name: str | None = None,
        data: JsonObject | None = None,
        *,
        ttl: int | None = None,
        sid: str | None = None,
        operation_id: str | None = None,
    ) -> AsyncDocument:
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
        return await self._create(unique_name, operation_id, data=json, ttl=ttl, sid=sid)

    async def get_or_create(
        self, unique_name: str, data: JsonObject | None = None, *, ttl: int | None = None
    ) -> AsyncDocument:
        """Read a document, or create it if there is none; arguments as in `create`.

        `data` and `ttl` count only if it is created.
        """
        json = None if data is None else orjson.Fragment(encode_data(data, None))
        return await self._get_or_create(unique_name, data=json, ttl=ttl)

    def _parse(self, body: JsonObject) -> AsyncDocument:
        # The reply to a repeated operation lacks the data if the document has changed since.
        known = Snapshot.parse(body) if "data" in body else None
        return AsyncDocument(self._http, body["sid"], known)

    def _handle(self, address: str, header: Header | None) -> AsyncDocument:
        return AsyncDocument(self._http, address, header)
