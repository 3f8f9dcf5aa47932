# Made by scripts/generate-blocking. Do not edit: change the async source.
"""Handle of a stream."""

from __future__ import annotations

from typing import Generic

import orjson

from syncline.header import Header, JsonObject
from syncline.model_data import ModelData
from syncline.type_variables import T
from syncline_protocol.objects import STREAM

from .handle import Handle
from .http import Http
from .rest_items import RestItems

__all__ = ["Stream"]


class Stream(Handle, Generic[T]):
    """One stream, on which messages are published that are not stored."""

    object_type = STREAM

    def __init__(
        self, http: Http, address: str, header: Header | None = None, *, data: ModelData[T]
    ) -> None:
        """Applications call `get`, `create` or `at` of `streams` instead."""
        super().__init__(http, address, header)
        self._model = data

    def publish(self, data: T, *, operation_id: str | None = None) -> str:
        """Publish a message to all who have the stream open.

        Args:
            data: a JSON object; with a model, an instance of it.
            operation_id: your own operation id, of up to 64 characters. Within 120 s a second call
                with it publishes nothing, and gets the answer of the first. None makes one.

        Returns:
            the SID of the message.

        Raises:
            InvalidRequest: `data` is not a JSON object.
            TooLarge: `data` is larger than the server accepts.
        """
        ok = self._write(
            "publish", operation_id, data=orjson.Fragment(self._model.encode(data, None))
        )
        sid: str = ok["message"]["sid"]
        return sid

    def remove(self, *, operation_id: str | None = None) -> None:
        """Remove the stream, for all clients."""
        self._remove(operation_id)

    def _carry_out(self, request: JsonObject) -> JsonObject:
        return RestItems(self._http, self.object_type, self._address).carry_out(request)

    def _take(self, ok: JsonObject) -> None:
        if "stream" in ok:
            # It has no revision, and no `updated_by` to speak of.
            self._known = Header.of({"revision": "0", **ok["stream"]})
