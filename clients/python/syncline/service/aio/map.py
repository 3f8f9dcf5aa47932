"""Handle of a map."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Generic

from syncline.item import Item
from syncline.item_types import MAP
from syncline.mutation import MapMutator
from syncline.type_variables import T
from syncline_protocol import objects

from .collection import AsyncCollection

__all__ = ["AsyncMap"]


class AsyncMap(AsyncCollection[T, str], Generic[T]):
    """One map: items by key."""

    object_type = objects.MAP
    collection_type = MAP

    async def add(
        self,
        key: str,
        data: T,
        *,
        ttl: int | None = None,
        collection_ttl: int | None = None,
        operation_id: str | None = None,
    ) -> Item[T, str]:
        """Add an item.

        Args:
            data, ttl, collection_ttl, operation_id: as in `set`.

        Raises:
            Conflict: there is an item with that key; `item` is its newest state.
            InvalidRequest, TooLarge: as in `set`.
        """
        json = self._model.encode(data, None)
        members = {**self._named(key), "ttl": ttl, "collection_ttl": collection_ttl}
        return await self._write_item("add", operation_id, json, members)

    async def mutate(self, key: str, fn: MapMutator[T], *, ttl: int | None = None) -> Item[T, str]:
        """Compute new data of an item from the newest and write it; retry if another was first.

        Args:
            fn: as in `mutate` of a document, but called with None if there is no such item: what
                it returns then creates the item.
            ttl: as in `set`.

        Returns:
            the item as written; the newest item if `fn` returned None.

        Raises:
            NotFound: there is no such item, and `fn` returned None.
            RevisionMismatch: other writers were first until `mutate_timeout` had passed.
            UsageError: `mutate` was called inside `mutate` of this item.
        """
        return await self._mutate(key, fn, ttl)

    async def keys(self) -> AsyncIterator[str]:
        """Iterate over all keys, in their order."""
        async for key, _ in self.items():
            yield key

    def __aiter__(self) -> AsyncIterator[str]:
        """As `keys`."""
        return self.keys()

    async def remove_map(self, *, operation_id: str | None = None) -> None:
        """Remove the map with all its items, for all clients."""
        await self._remove(operation_id)
