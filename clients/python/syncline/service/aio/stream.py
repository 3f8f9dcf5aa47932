"""Handle of a stream."""

from __future__ import annotations

import orjson

from syncline.encoding import encode_data
from syncline.header import Header, JsonObject
from syncline.rest_items import RestItems
from syncline_protocol.objects import STREAM

from .handle import AsyncHandle

__all__ = ["AsyncStream"]


class AsyncStream(AsyncHandle):
    """One stream, on which messages are published that are not stored."""

    type = STREAM

    async def publish(self, data: JsonObject, *, operation_id: str | None = None) -> str:
        """Publish a message to all who have the stream open.

        Args:
            data: a JSON object.
            operation_id: your own operation id, of up to 64 characters. Within 120 s a second call
                with it publishes nothing, and gets the answer of the first. None makes one.

        Returns:
            the SID of the message.

        Raises:
            InvalidRequest: `data` is not a JSON object.
            TooLarge: `data` is larger than the server accepts.
        """
        ok = await self._write(
            "publish", operation_id, data=orjson.Fragment(encode_data(data, None))
        )
        sid: str = ok["message"]["sid"]
        return sid

    async def remove(self, *, operation_id: str | None = None) -> None:
        """Remove the stream, for all clients."""
        await self._remove(operation_id)

    async def _carry_out(self, request: JsonObject) -> JsonObject:
        return await RestItems(self._http, self.type, self._address).carry_out(request)

    def _take(self, ok: JsonObject) -> None:
        if "stream" in ok:
            # It has no revision, and no `updated_by` to speak of.
            self._known = Header.of({"revision": "0", **ok["stream"]})
