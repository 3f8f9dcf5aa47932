"""Handle of an open list."""

from __future__ import annotations

from typing import Generic

from .collection import Collection
from .item import Item
from .item_types import LIST
from .mutation import Mutator
from .type_variables import T

__all__ = ["List"]


class List(Collection[T, int], Generic[T]):
    """One list, or a part of it: items by index, in the order in which they were appended.

    The server gives the indexes, and never gives one again. Made by `Client.list`.

    `T` is the `model` that the list was opened with; without one, `JsonObject`.
    """

    collection_type = LIST

    async def append(
        self, data: T, *, ttl: int | None = None, collection_ttl: int | None = None
    ) -> Item[T, int]:
        """Append an item.

        Args:
            data, ttl, collection_ttl: as in `set`.

        Returns:
            the item; `key` is its index.

        Raises:
            InvalidRequest, TooLarge: as in `set`.
        """
        members = {"ttl": ttl, "collection_ttl": collection_ttl}
        return await self._write_data("add", {}, data, members)

    async def mutate(self, key: int, fn: Mutator[T], *, ttl: int | None = None) -> Item[T, int]:
        """Compute new data of an item from the newest and write it; retry if another was first.

        Args:
            fn: as in `mutate` of a document. It must not call `mutate` for the same item.
            ttl: as in `set`.

        Returns:
            the item as written; the newest item if `fn` returned None.

        Raises:
            NotFound: there is no such item.
            RevisionMismatch: other writers were first until `mutate_timeout` had passed.
            UsageError: `mutate` was called inside `mutate` of this item.
        """
        return await self._mutate(key, fn, ttl)

    async def remove_list(self) -> None:
        """Remove the list with all its items, for all clients."""
        await self._remove_whole()
