"""Opens lists, maps and streams for an application."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from syncline_protocol.objects import STREAM

from .attempts import make_op
from .collection import Collection
from .collection_subscription import CollectionSubscription
from .errors import NotFound
from .header import Header, JsonObject
from .item_types import CollectionType
from .object_state import Kind
from .open_objects import OpenObjects
from .part import Part
from .stream import Stream
from .stream_subscription import StreamSubscription

__all__ = ["open_collection", "open_stream"]

C = TypeVar("C", bound=Collection[Any])

Make = Callable[[OpenObjects, CollectionSubscription, Part], C]


async def open_collection(
    objects: OpenObjects, make: type[C], part: Part, request: JsonObject
) -> C:
    """Open a list or map; `request` has its address, `mode` and `ttl`."""
    type_ = make.collection_type
    address, mode = request["address"], request["mode"]
    while mode != "create_new" and (existing := _find(objects, type_, address)) is not None:
        handle = make(objects, existing, part)
        try:
            await objects.reopen(existing)
            return handle
        except NotFound:
            await handle.close()
            if existing.sid == address or mode == "open_existing":
                raise
            # Removed since; its name may be given again.
        except BaseException:
            objects.take_back(handle.close())
            raise

    def subscribe(ok: JsonObject) -> CollectionSubscription:
        header = Header.of(ok[type_.name])
        return CollectionSubscription(type_, header, part, objects.options.event_queue)

    return await objects.open(
        Kind(type=type_.name, subscribe=subscribe),
        lambda subscription: make(objects, subscription, part),
        **{type_.name: address},
        mode=mode,
        ttl=request["ttl"],
        items=False,
        **part.members(type_.keys_name),
        op=make_op(),
    )


async def open_stream(
    objects: OpenObjects, address: str | None, mode: str, ttl: int | None
) -> Stream:
    """Open a stream."""

    def subscribe(ok: JsonObject) -> StreamSubscription:
        return StreamSubscription(Header.of(ok[STREAM.name]), objects.options.event_queue)

    return await objects.open(
        Kind(type=STREAM.name, subscribe=subscribe),
        lambda subscription: Stream(objects, subscription),
        stream=address,
        mode=mode,
        ttl=ttl,
        op=make_op(),
    )


def _find(
    objects: OpenObjects, type_: CollectionType, address: str | None
) -> CollectionSubscription | None:
    """The subscription to that list or map, if it is open."""
    existing = objects.find(type_.name, address)
    return existing if isinstance(existing, CollectionSubscription) else None
