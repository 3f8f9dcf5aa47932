"""Handle of an open map."""

from __future__ import annotations

from typing import Generic

from .collection import Collection
from .item import Item
from .item_types import MAP
from .mutation import MapMutator
from .part import Part
from .replica import Replica
from .type_variables import T

__all__ = ["Map"]


class Map(Collection[T, str], Generic[T]):
    """One map, or a part of it: items by key. Made by `Client.map`.

    `T` is the `model` that the map was opened with; without one, `JsonObject`.
    """

    collection_type = MAP

    async def add(
        self,
        key: str,
        data: T,
        *,
        ttl: int | None = None,
        collection_ttl: int | None = None,
    ) -> Item[T, str]:
        """Add an item.

        Args:
            data, ttl, collection_ttl: as in `set`.

        Raises:
            Conflict: there is an item with that key; `item` is its newest state.
            InvalidRequest, TooLarge: as in `set`.
        """
        members = {"ttl": ttl, "collection_ttl": collection_ttl}
        return await self._write_data("add", {"key": key}, data, members)

    async def mutate(self, key: str, fn: MapMutator[T], *, ttl: int | None = None) -> Item[T, str]:
        """Compute new data of an item from the newest and write it; retry if another was first.

        Args:
            fn: as in `mutate` of a document, but called with None if there is no such item: what
                it returns then creates the item. It must not call `mutate` for the same item.
            ttl: as in `set`.

        Returns:
            the item as written; the newest item if `fn` returned None.

        Raises:
            NotFound: there is no such item, and `fn` returned None.
            RevisionMismatch: other writers were first until `mutate_timeout` had passed.
            UsageError: `mutate` was called inside `mutate` of this item.
        """
        return await self._mutate(key, fn, ttl)

    def replica(self, *, prefix: str | None = None) -> Replica[T, str]:
        """Return a replica, which keeps the items in memory and current.

        Args:
            prefix: what the keys begin with; None: the part that this handle has.
        """
        if prefix is None:
            return super().replica()
        self._check_open()
        return Replica(self._objects, self._subscription, Part.of(None, prefix), data=self._model)

    async def remove_map(self) -> None:
        """Remove the map with all its items, for all clients."""
        await self._remove_whole()
