"""Events of lists and maps."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Generic

import orjson

from syncline_protocol import dates

from .header import JsonObject
from .item import Item, key_of
from .object_events import ExpiryChanged, ObjectRemoved
from .type_variables import Defaulted, K, T

if TYPE_CHECKING:
    from .models.codec import ModelCodec

__all__ = [
    "COLLECTION_EVENTS",
    "CollectionEvent",
    "ItemAdded",
    "ItemEvent",
    "ItemRemoved",
    "ItemUpdated",
    "ListEvent",
    "MapEvent",
    "Reset",
    "merge_collection_event",
    "parse_change",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class _ItemWritten(Defaulted, Generic[T, K]):
    """An item has a new state."""

    item: Item[T, K]
    is_local: bool = False

    @property
    def key(self) -> K:
        """Key of the item."""
        return self.item.key

    @property
    def data(self) -> T:
        """Data of the item; a copy that the caller may change.

        Raises:
            ModelMismatch: it does not fit the model of the handle; `item.json` has it.
        """
        return self.item.data

    @property
    def order(self) -> int:
        """The revision as a number."""
        return self.item.order

    def with_codec(self, codec: ModelCodec[Any]) -> Any:
        """Return the same event with the data of a model."""
        return replace(self, item=self.item.with_codec(codec))

    @property
    def revision(self) -> str:
        """Revision of the item."""
        return self.item.revision


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemAdded(_ItemWritten[T, K], Generic[T, K]):
    """An item was added.

    Attributes:
        item: the item.
        is_local: True if this client wrote it.
    """

    name: ClassVar[str] = "item_added"


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemUpdated(_ItemWritten[T, K], Generic[T, K]):
    """An item has new data, a new expiry, or both.

    Attributes:
        item: the item.
        previous: the item before; None if the client does not know it. A replica knows it.
        is_local: True if this client wrote it.
    """

    name: ClassVar[str] = "item_updated"

    previous: Item[T, K] | None = None

    def with_codec(self, codec: ModelCodec[Any]) -> ItemUpdated[Any, K]:
        """Return the same event with the data of a model."""
        previous = None if self.previous is None else self.previous.with_codec(codec)
        return replace(self, item=self.item.with_codec(codec), previous=previous)


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemRemoved(Defaulted, Generic[T, K]):
    """An item was removed, or has expired.

    Attributes:
        key: key of the item.
        order: revision of the removal, as a number.
        json: the last data as compact UTF-8 JSON; None if it is not known.
        is_local: True if this client removed it.
        removed_by: identity that removed it, `system` for an expiry; None if not known.
        expired: True for an expiry; False also if that is not known.
        date_removed: UTC; None if not known.
        codec: makes `data` an instance of the handle's model; None if the handle has none.
    """

    name: ClassVar[str] = "item_removed"

    key: K
    order: int
    json: bytes | None = None
    is_local: bool = False
    removed_by: str | None = None
    expired: bool = False
    date_removed: datetime | None = None
    codec: ModelCodec[T] | None = field(default=None, compare=False, repr=False)

    @property
    def data(self) -> T | None:
        """The last data; None if it is not known. A copy that the caller may change.

        Raises:
            ModelMismatch: it does not fit the model of the handle.
        """
        if self.json is None:
            return None
        data: T = orjson.loads(self.json) if self.codec is None else self.codec.decode(self.json)
        return data

    @property
    def revision(self) -> str:
        """Revision of the removal."""
        return str(self.order)

    def with_codec(self, codec: ModelCodec[Any]) -> ItemRemoved[Any, K]:
        """Return the same event with the data of a model."""
        return replace(self, codec=codec)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset:
    """Items may have changed without an event for each: read again those that matter (rule C26).

    It comes after a very long absence, after a fail-over that lost writes, or to a listener that
    was too slow. A replica reads them itself and announces the differences instead.

    Attributes:
        revision: revision of the list or map.
    """

    name: ClassVar[str] = "reset"

    revision: str


ItemEvent = ItemAdded[T, K] | ItemUpdated[T, K] | ItemRemoved[T, K]
"""Change of one item."""

CollectionEvent = (
    ItemAdded[T, K] | ItemUpdated[T, K] | ItemRemoved[T, K] | Reset | ExpiryChanged | ObjectRemoved
)
"""Event of a list or map."""

MapEvent = CollectionEvent[T, str]
"""Event of a map: `MapEvent[Card]`."""

ListEvent = CollectionEvent[T, int]
"""Event of a list: `ListEvent[Card]`."""

COLLECTION_EVENTS = (
    ItemAdded.name,
    ItemUpdated.name,
    ItemRemoved.name,
    Reset.name,
    ExpiryChanged.name,
    ObjectRemoved.name,
)


def parse_change(body: JsonObject, json: bytes | None) -> ItemEvent[Any, Any]:
    """Parse one of the `changes` in a message; `json` as in `Item.parse`."""
    match body["kind"]:
        case "added":
            return ItemAdded(item=Item.parse(body, json))
        case "updated":
            return ItemUpdated(item=Item.parse(body, json))
        case "removed":
            date, data = body.get("date_removed"), body.get("data")
            return ItemRemoved(
                key=key_of(body),
                order=int(body["revision"]),
                json=None if data is None else orjson.dumps(data),
                removed_by=body.get("removed_by"),
                expired=bool(body.get("expired")),
                date_removed=None if date is None else dates.parse(date),
            )
        case kind:
            raise ValueError(f"there is no change {kind!r}")


def merge_collection_event(queue: deque[Any], event: Any) -> None:
    """Add an event to the full queue of a slow listener.

    A change is merged with the last one of its item. If there is none, the changes in the queue
    become one `Reset`.
    """
    if isinstance(event, ItemAdded | ItemUpdated | ItemRemoved):
        for place in range(len(queue) - 1, -1, -1):
            earlier = queue[place]
            if isinstance(earlier, Reset):
                return  # the listener reads the items after this event
            if not isinstance(earlier, ExpiryChanged) and earlier.key == event.key:
                queue[place] = _merged(earlier, event)
                return
        event = Reset(revision=event.revision)
    if isinstance(event, Reset):
        queue.clear()
    elif queue and type(queue[-1]) is type(event):
        queue.pop()
    queue.append(event)


def _merged(earlier: Any, event: Any) -> Any:
    match earlier, event:
        case ItemAdded(), ItemUpdated():
            return ItemAdded(item=event.item, is_local=event.is_local)
        case ItemUpdated(), ItemUpdated():
            return replace(event, previous=earlier.previous)
        case ItemRemoved(), ItemAdded():
            return ItemUpdated(item=event.item, is_local=event.is_local)
    return event
