"""Handle of an open stream."""

from __future__ import annotations

from typing import Any, Generic, Literal, overload

import orjson

from .attempts import make_op
from .emitter import Callback, Emitter
from .handle import ObjectHandle
from .header import JsonObject
from .listening import Decorator, Unsubscribe, as_model, listen
from .model_data import ModelData
from .object_events import ExpiryChanged, ObjectRemoved
from .open_objects import OpenObjects
from .stream_events import (
    STREAM_EVENTS,
    MessagePublished,
    Missed,
    StreamEvent,
    merge_stream_event,
)
from .stream_subscription import StreamSubscription
from .type_variables import T

__all__ = ["Stream"]


class Stream(ObjectHandle[StreamSubscription, StreamEvent[T]], Generic[T]):
    """One stream: messages go to those who have it open at that moment, and are not stored.

    Made by `Client.stream`; `T` is its `model`, without one `JsonObject`. Every method
    that sends a request raises the exceptions of `Document`.
    """

    def __init__(
        self, objects: OpenObjects, subscription: StreamSubscription, data: ModelData[T]
    ) -> None:
        """Applications call `Client.stream` instead."""
        self._model = data
        events: Emitter[StreamEvent[T]] = Emitter(
            STREAM_EVENTS,
            objects.options.event_queue,
            merge_stream_event,
            convert=as_model(data.codec),
        )
        super().__init__(objects, subscription, events, events)

    @overload
    def on(
        self, name: Literal["message_published"], callback: Callback[MessagePublished[T]]
    ) -> Unsubscribe: ...

    @overload
    def on(self, name: Literal["missed"], callback: Callback[Missed]) -> Unsubscribe: ...

    @overload
    def on(self, name: Literal["expiry"], callback: Callback[ExpiryChanged]) -> Unsubscribe: ...

    @overload
    def on(self, name: Literal["removed"], callback: Callback[ObjectRemoved]) -> Unsubscribe: ...

    @overload
    def on(self, name: Literal["message_published"]) -> Decorator[MessagePublished[T]]: ...

    @overload
    def on(self, name: Literal["missed"]) -> Decorator[Missed]: ...

    @overload
    def on(self, name: Literal["expiry"]) -> Decorator[ExpiryChanged]: ...

    @overload
    def on(self, name: Literal["removed"]) -> Decorator[ObjectRemoved]: ...

    def on(self, name: str, callback: Any = None) -> Any:
        """Call `callback`, sync or async, with each event of that name, one at a time.

        Without a callback it is a decorator: `@stream.on("message_published")`.

        Returns:
            a function that removes the callback; as a decorator, the function as it is.

        Raises:
            ValueError: there is no event of that name; the message lists the names.
            UsageError: `callback` is no function.
        """
        return listen(self._events, name, callback, self._objects.check_loop)

    async def publish(self, data: T) -> str:
        """Publish a message; this handle receives it too.

        Args:
            data: a JSON object; with a model, an instance of it.

        Returns:
            the SID of the message.

        Raises:
            InvalidRequest: `data` is not a JSON object, or does not fit the model.
            TooLarge: `data` is larger than the server accepts.
        """
        json = self._model.encode(data, self._objects.limits.message)

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
