"""Clients that look at lists, maps and streams: what every wire has in common.

A further wire is one more class like `PagingObserver`, and a line of `wires.OBSERVERS`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from .collection import Collection
from .sight import ItemSight

__all__ = ["STORE", "ItemObserver", "MakeObserver"]

STORE = "events"
"""The wire of observers that receive events from the store itself."""


class ItemObserver(Protocol):
    """One client.

    An observer of events calls `sight.connect` when its events begin, `sight.open` with a copy,
    then `sight.change` for each event, as it came. After a break it calls `sight.lose` and
    `sight.connect`, then `sight.replay` with what it missed, or `sight.open` again. It opens a
    stream too, without items.

    Attributes:
        sight: gets all that it sees.
        receives_events: False of one that only reads.
        types: of the collections that it observes.
    """

    receives_events: bool
    types: frozenset[str]

    @property
    def sight(self) -> ItemSight:
        """As above."""

    async def open(self) -> None:
        """Connect."""

    async def close(self) -> None:
        """End the connection permanently."""

    async def follow(self, collection: Collection) -> None:
        """Look at a collection from now on; returns once it is open."""

    async def try_replay(self, collection: Collection) -> None:
        """Read what changed since a revision that it had; nothing where its wire has no replay."""


MakeObserver = Callable[[ItemSight], ItemObserver]
