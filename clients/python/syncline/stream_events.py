"""Events of streams."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Generic

import orjson

from .object_events import ExpiryChanged, ObjectRemoved
from .type_variables import T

if TYPE_CHECKING:
    from .models.codec import ModelCodec

__all__ = ["STREAM_EVENTS", "MessagePublished", "Missed", "StreamEvent", "merge_stream_event"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagePublished(Generic[T]):
    """A message was published on the stream.

    Attributes:
        sid: `TZ` and 32 hexadecimal digits.
        json: the data as compact UTF-8 JSON.
        date_created: when it was published, UTC.
        created_by: identity of the publisher, or `system`.
        is_local: True if this client published it.
        codec: makes `data` an instance of the handle's model; None if the handle has none.
    """

    name: ClassVar[str] = "message_published"

    sid: str
    json: bytes
    date_created: datetime
    created_by: str
    is_local: bool
    codec: ModelCodec[T] | None = field(default=None, compare=False, repr=False)

    @property
    def data(self) -> T:
        """The data; a copy that the caller may change.

        Raises:
            ModelMismatch: it does not fit the model of the handle.
        """
        data: T = orjson.loads(self.json) if self.codec is None else self.codec.decode(self.json)
        return data

    def with_codec(self, codec: ModelCodec[Any]) -> MessagePublished[Any]:
        """Return the same message with the data of a model."""
        return replace(self, codec=codec)


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """Messages were dropped in this place, because the connection or the listener was too slow.

    Attributes:
        count: number of messages.
    """

    name: ClassVar[str] = "missed"

    count: int


StreamEvent = MessagePublished[T] | Missed | ExpiryChanged | ObjectRemoved
"""Event of a stream."""

STREAM_EVENTS = (
    MessagePublished.name,
    Missed.name,
    ExpiryChanged.name,
    ObjectRemoved.name,
)


def merge_stream_event(queue: deque[Any], event: StreamEvent[Any]) -> None:
    """Add an event to the full queue of a slow listener; `Missed` replaces the oldest message."""
    place = next((n for n, each in enumerate(queue) if isinstance(each, MessagePublished)), None)
    if place is not None and isinstance(event, MessagePublished):
        before = queue[place - 1] if place else None
        if isinstance(before, Missed):
            queue[place - 1] = Missed(count=before.count + 1)
            del queue[place]
        else:
            queue[place] = Missed(count=1)
    if queue and isinstance(event, Missed | ExpiryChanged) and type(queue[-1]) is type(event):
        last = queue.pop()
        if isinstance(event, Missed):
            event = Missed(count=last.count + event.count)
    queue.append(event)
