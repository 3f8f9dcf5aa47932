"""What a history says of the replicas of the Python client."""

from __future__ import annotations

from dataclasses import dataclass

from .records import ItemChange, ItemRecord, ItemState

__all__ = [
    "ReplicaChanged",
    "ReplicaOpened",
    "ReplicaRead",
    "ReplicaRecord",
    "ReplicaReset",
    "ReplicaWrote",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaRecord(ItemRecord):
    """Something that the user of a replica sees."""

    client: str
    collection: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaOpened(ReplicaRecord):
    """A replica has all items for the first time; what follows is announced."""

    items: tuple[ItemState, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaChanged(ReplicaRecord):
    """A replica announced the change of an item; `changes` has one."""

    changes: tuple[ItemChange, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaReset(ReplicaRecord):
    """A replica announced that changes were lost, and reads all items again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaWrote(ReplicaRecord):
    """A client wrote an item of its replica, and looked at it.

    Attributes:
        revision: that the write got.
        shown: revision of the item that the replica showed then; None if it showed none.
    """

    write: int
    key: str
    revision: int
    shown: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaRead(ReplicaRecord):
    """All that a replica shows.

    Attributes:
        is_complete: as the replica says it.
        repairs: as the replica counts them.
        final: True after the last write.
    """

    items: tuple[ItemState, ...]
    is_complete: bool
    repairs: int
    final: bool = False
