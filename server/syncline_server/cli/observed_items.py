"""Items and their changes in the store, as the history of `syncline verify` has them."""

from __future__ import annotations

import orjson

from syncline_protocol.item_keys import index_of
from syncline_protocol.items import Change, ChangeKind, Item
from syncline_server.storage.keys import ObjectAddress
from syncline_server.storage.records import Tombstone
from syncline_tools.verify.items.records import REMOVED, ItemChange, ItemState, state_of

__all__ = ["observed_change", "observed_item", "observed_replay", "without_change"]


def observed_item(at: ObjectAddress, item: Item) -> ItemState:
    """An item of a page."""
    return state_of(_id(at, item.key), item.revision, orjson.loads(item.data))


def observed_change(at: ObjectAddress, change: Change) -> ItemChange:
    """A change in an event."""
    if change.kind is ChangeKind.REMOVED:
        return _removed(at, change.item.key, change.item.revision, expired=change.expired)
    return _live(observed_item(at, change.item), change.kind.value)


def observed_replay(at: ObjectAddress, change: Item | Tombstone) -> ItemChange:
    """A change since a revision."""
    if isinstance(change, Tombstone):
        return _removed(at, change.key, change.revision)
    return _live(observed_item(at, change), "live")


def _live(state: ItemState, change: str) -> ItemChange:
    return ItemChange(
        key=state.key,
        revision=state.revision,
        content=state.content,
        writes=state.writes,
        part=state.part,
        change=change,
    )


def _removed(at: ObjectAddress, key: str, revision: int, *, expired: bool = False) -> ItemChange:
    return ItemChange(
        key=_id(at, key), revision=revision, content=None, change=REMOVED, expired=expired
    )


def without_change(change: ItemChange) -> ItemState:
    """The item after a change."""
    return ItemState(
        key=change.key,
        revision=change.revision,
        content=change.content,
        writes=change.writes,
        part=change.part,
    )


def _id(at: ObjectAddress, key: str) -> str:
    """As REST shows it: the index of a list's item without leading zeros."""
    return str(index_of(key)) if at.type.name == "list" else key
