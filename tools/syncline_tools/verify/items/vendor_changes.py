"""What the notifications of Twilsock say of items."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from syncline import JsonObject

from .actions import expires
from .collection import Collection
from .records import REMOVED, ItemChange, state_of

__all__ = ["VendorTopic", "changes_of"]


@dataclass(slots=True, kw_only=True)
class VendorTopic:
    """A collection that is observed.

    Attributes:
        revision: the newest id that the client has; None if all items must be read.
        missed: what has come of a replay.
        established: set once the subscription has an outcome.
        removed: the keys of own removals, by revision: an `echo` takes the place of their events.
    """

    collection: Collection
    revision: int | None = None
    missed: list[ItemChange] = field(default_factory=list)
    established: asyncio.Event = field(default_factory=asyncio.Event)
    removed: dict[int, str] = field(default_factory=dict)
    work: asyncio.Task[None] | None = None


def changes_of(topic: VendorTopic, what: str, event: JsonObject) -> list[ItemChange]:
    """What a notification says of items; nothing of an `echo` that is only an id."""
    at, revision = topic.collection, int(event["id"])
    if what == "echo":
        key = topic.removed.pop(revision, None)
        return [] if key is None else [_removal(key, revision)]
    key, kind = str(event[f"item_{at.id_name}"]), what.removeprefix("item_")
    if kind == REMOVED:
        return [_removal(key, revision)]
    state = state_of(key, revision, event["item_data"])
    return [
        ItemChange(
            key=key,
            revision=revision,
            content=state.content,
            writes=state.writes,
            part=state.part,
            change=kind,
        )
    ]


def _removal(key: str, revision: int) -> ItemChange:
    # The vendor's protocol does not say whether an item has expired.
    is_expired = expires(key)
    return ItemChange(key=key, revision=revision, content=None, change=REMOVED, expired=is_expired)
