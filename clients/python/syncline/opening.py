"""Opens documents, lists, maps and streams for an application."""

from __future__ import annotations

from typing import Any, TypeVar

import orjson

from syncline_protocol.objects import DOCUMENT, STREAM

from .attempts import make_op
from .collection import Collection
from .collection_subscription import CollectionSubscription
from .document import Document
from .errors import NotFound
from .header import Header, JsonObject
from .item_types import CollectionType
from .model_data import ModelData
from .object_state import Kind
from .open_objects import OpenObjects
from .part import Part
from .replica import PAGE_LIMIT
from .snapshot import Snapshot
from .stream import Stream
from .stream_subscription import StreamSubscription
from .subscription import Subscription

__all__ = ["open_collection", "open_document", "open_stream"]

C = TypeVar("C", bound=Collection[Any, Any])


async def open_document(
    objects: OpenObjects, data: ModelData[Any], request: JsonObject
) -> Document[Any]:
    """Open a document; `request` has its address, `mode`, `ttl` and initial data."""
    initial = request.pop("data")
    if initial is not None:
        initial = orjson.Fragment(data.encode(initial, objects.limits.data))
    bound = objects.options.event_queue
    kind = Kind(
        type=DOCUMENT.name,
        subscribe=lambda ok: Subscription(Snapshot.parse(ok[DOCUMENT.name]), bound),
    )
    return await objects.open(
        kind,
        lambda subscription: Document(objects, subscription, data),
        **request,
        data=initial,
        op=make_op(),
    )


async def open_collection(
    objects: OpenObjects, handle_type: type[C], part: Part, request: JsonObject
) -> C:
    """Open a list or map.

    Args:
        request: its address, `mode`, `ttl` and `model_data`; `replica` is True to read the first
            page of items in the same step.
    """
    type_ = handle_type.collection_type

    def make(subscription: CollectionSubscription) -> C:
        return handle_type(objects, subscription, part, data=request["model_data"])

    address, mode = request["address"], request["mode"]
    while mode != "create_new" and (existing := _find(objects, type_, address)) is not None:
        handle = make(existing)
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

    opened: list[JsonObject] = []
    is_replica = request["replica"]
    # A server takes `deltas` only on a connection that asked for them.
    members: JsonObject = {"items": {"limit": PAGE_LIMIT}} if is_replica else {"items": False}
    if has_deltas := is_replica and objects.options.deltas:
        members["deltas"] = True

    def subscribe(ok: JsonObject) -> CollectionSubscription:
        opened.append(ok)
        header = Header.of(ok[type_.name])
        subscription = CollectionSubscription(type_, header, part, objects.options.event_queue)
        subscription.has_deltas = has_deltas
        return subscription

    def attach(subscription: CollectionSubscription) -> C:
        handle = make(subscription)
        # Another `open` may have been faster: then its replica asks for its pages.
        if is_replica and opened and "items" in opened[0]:
            handle.prepare_replica(opened[0])
        return handle

    return await objects.open(
        Kind(type=type_.name, subscribe=subscribe),
        attach,
        **{type_.name: address},
        mode=mode,
        ttl=request["ttl"],
        **members,
        **part.members(type_.keys_name),
        op=make_op(),
    )


async def open_stream(
    objects: OpenObjects, data: ModelData[Any], request: JsonObject
) -> Stream[Any]:
    """Open a stream; `request` has its address, `mode` and `ttl`."""

    def subscribe(ok: JsonObject) -> StreamSubscription:
        return StreamSubscription(Header.of(ok[STREAM.name]), objects.options.event_queue)

    return await objects.open(
        Kind(type=STREAM.name, subscribe=subscribe),
        lambda subscription: Stream(objects, subscription, data),
        **request,
        op=make_op(),
    )


def _find(
    objects: OpenObjects, type_: CollectionType, address: str | None
) -> CollectionSubscription | None:
    """The subscription to that list or map, if it is open."""
    existing = objects.find(type_.name, address)
    return existing if isinstance(existing, CollectionSubscription) else None
