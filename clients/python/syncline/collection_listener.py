"""What receives the events of a part of a collection: a handle, or a replica."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from .item import Item
from .item_events import CollectionEvent, ItemEvent
from .part import Part

__all__ = ["Listener", "ReplicaListener", "replica_of"]


@dataclass(eq=False, slots=True, kw_only=True)
class Listener:
    """Receives the events of a part of a collection.

    Attributes:
        part: the part.
        emit: called with each event.
        end: called when no event follows, with the reason if the client is disconnected.
        replica: keeps the items of the part; None for a handle.
    """

    part: Part
    emit: Callable[[CollectionEvent[Any]], None]
    end: Callable[[Exception | None], None]
    replica: ReplicaListener | None = None


class ReplicaListener(Protocol):
    """What a replica receives besides events, and what it knows."""

    @property
    def takes_deltas(self) -> bool:
        """True if the client asks for deltas of the items that the replica keeps."""

    def known(self, key: Any) -> Item[Any] | None:
        """The item as the last event or page made it; None if it is not known to be right."""

    def show(self, event: ItemEvent[Any]) -> None:
        """Process an own write at its reply."""

    def confirm(self, orders: Mapping[Any, int], since: int, complete_to: int | None) -> None:
        """Process that a message has named items; after its events.

        Args:
            orders: revisions of all changes in the message, by key.
            since: revision up to which all changes have come.
            complete_to: revision up to which the message completes a replay, else None.
        """

    async def read_written(self, keys: Sequence[Any]) -> None:
        """Read items that this client has written, and whose data is not in the reply."""


def replica_of(listeners: Iterable[Listener], part: Part) -> ReplicaListener | None:
    """A replica that keeps all items of a part, and can use deltas of them (rule C33)."""
    for each in listeners:
        if each.replica is not None and each.replica.takes_deltas and each.part.covers(part):
            return each.replica
    return None
