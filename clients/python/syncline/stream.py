"""Handle of an open stream."""

from __future__ import annotations

import orjson

from .attempts import make_op
from .emitter import Emitter
from .encoding import encode_data
from .handle import ObjectHandle
from .header import JsonObject
from .open_objects import OpenObjects
from .stream_events import STREAM_EVENTS, StreamEvent, merge_stream_event
from .stream_subscription import StreamSubscription

__all__ = ["Stream"]


class Stream(ObjectHandle[StreamSubscription, StreamEvent]):
    """One stream: messages go to those who have it open at that moment, and are not stored.

    Made by `Client.stream`. Every method that sends a request raises the exceptions of `Document`.
    """

    def __init__(self, objects: OpenObjects, subscription: StreamSubscription) -> None:
        """Applications call `Client.stream` instead."""
        events: Emitter[StreamEvent] = Emitter(
            STREAM_EVENTS, objects.options.event_queue, merge_stream_event
        )
        super().__init__(objects, subscription, events, events)

    async def publish(self, data: JsonObject) -> str:
        """Publish a message; this handle receives it too.

        Args:
            data: a JSON object.

        Returns:
            the SID of the message.

        Raises:
            InvalidRequest: `data` is not a JSON object.
            TooLarge: `data` is larger than the server accepts.
        """
        json = encode_data(data, self._objects.limits.message)

        def take(ok: JsonObject) -> str:
            sid: str = ok["message"]["sid"]
            self._subscription.published(sid)
            return sid

        with self._subscription.writing():
            published: str = await self._request(
                "publish", take, data=orjson.Fragment(json), op=make_op()
            )
        return published

    async def remove(self) -> None:
        """Remove the stream, for all clients."""
        await self._remove_whole()
