"""Handle of a list."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Generic

from syncline.item import Item
from syncline.item_types import LIST
from syncline.mutation import Mutator
from syncline.type_variables import T
from syncline_protocol import objects

from .collection import AsyncCollection

__all__ = ["AsyncList"]


class AsyncList(AsyncCollection[T, int], Generic[T]):
    """One list: items by index, in the order in which they were appended.

    The server gives the indexes, and never gives one again. `3 in list` means that an item has the
    index 3; iteration gives the items.
    """

    object_type = objects.LIST
    collection_type = LIST

    async def append(
        self,
        data: T,
        *,
        ttl: int | None = None,
        collection_ttl: int | None = None,
        operation_id: str | None = None,
    ) -> Item[T, int]:
        """Append an item.

        Args:
            data, ttl, collection_ttl, operation_id: as in `set`.

        Returns:
            the item, with the index that the server gave it.

        Raises:
            InvalidRequest, TooLarge: as in `set`.
        """
        members = {"ttl": ttl, "collection_ttl": collection_ttl}
        return await self._write_item("add", operation_id, self._model.encode(data, None), members)

    async def mutate(self, key: int, fn: Mutator[T], *, ttl: int | None = None) -> Item[T, int]:
        """Compute new data of an item from the newest and write it; retry if another was first.

        Args:
            fn: as in `mutate` of a document.
            ttl: as in `set`.

        Returns:
            the item as written; the newest item if `fn` returned None.

        Raises:
            NotFound: there is no such item.
            RevisionMismatch: other writers were first until `mutate_timeout` had passed.
            UsageError: `mutate` was called inside `mutate` of this item.
        """
        return await self._mutate(key, fn, ttl)

    async def values(self) -> AsyncIterator[Item[T, int]]:
        """Iterate over all items, in the order of their indexes."""
        async for _, item in self.items():
            yield item

    def __aiter__(self) -> AsyncIterator[Item[T, int]]:
        """As `values`."""
        return self.values()

    async def remove_list(self, *, operation_id: str | None = None) -> None:
        """Remove the list with all its items, for all clients."""
        await self._remove(operation_id)
