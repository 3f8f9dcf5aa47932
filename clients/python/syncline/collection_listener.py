"""What a handle or a replica receives of an open list or map."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .item import Item
from .item_events import CollectionEvent
from .part import Part

__all__ = ["Listener"]


@dataclass(eq=False, slots=True, kw_only=True)
class Listener:
    """Receives the events of a part of a collection.

    Attributes:
        part: the part.
        emit: called with each event.
        end: called when no event follows, with the reason if the client is disconnected.
        confirm: called with all keys that a message names, and with the revision up to which it
            completes a replay, else None; after the events.
        known: returns an item of the part, None if it is not known; itself None if the listener
            keeps no items.
    """

    part: Part
    emit: Callable[[CollectionEvent[Any]], None]
    end: Callable[[Exception | None], None]
    confirm: Callable[[list[Any], int | None], None] = lambda keys, complete_to: None
    known: Callable[[Any], Item[Any] | None] | None = None
