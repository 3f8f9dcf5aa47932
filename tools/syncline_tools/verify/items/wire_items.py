"""Items and their changes in the native protocol and in event streams, as a history has them."""

from __future__ import annotations

from syncline import JsonObject

from .collection import Collection
from .records import REMOVED, ItemChange, ItemState, state_of

__all__ = ["change_of", "item_of"]


def item_of(collection: Collection, body: JsonObject) -> ItemState:
    """An item of a page."""
    return state_of(str(body[collection.id_name]), int(body["revision"]), body["data"])


def change_of(collection: Collection, body: JsonObject) -> ItemChange:
    """A change in an event, or in what has changed since a revision."""
    kind = body["kind"]
    if kind == REMOVED:
        return ItemChange(
            key=str(body[collection.id_name]),
            revision=int(body["revision"]),
            content=None,
            change=kind,
            expired=bool(body["expired"]),
        )
    state = item_of(collection, body)
    return ItemChange(
        key=state.key,
        revision=state.revision,
        content=state.content,
        writes=state.writes,
        part=state.part,
        change=kind,
    )
