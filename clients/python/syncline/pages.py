"""Pages of items, and the walk over them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, Literal

from .item import Item, K

__all__ = ["PAGE_SIZE", "Order", "Page", "walk"]

Order = Literal["asc", "desc"]
"""Order of the keys."""

PAGE_SIZE = 100
"""Default number of items in a page; the server allows 500."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[K]):
    """Some items of a list or map, in the order of their keys.

    Attributes:
        items: the items.
        next_key: key after which the next page begins; None if this is the last page.
    """

    items: list[Item[K]]
    next_key: K | None
    read: Callable[[K], Awaitable[Page[K]]] = field(repr=False, compare=False)

    @property
    def has_next_page(self) -> bool:
        """True if items follow."""
        return self.next_key is not None

    async def next_page(self) -> Page[K]:
        """Read the next page.

        Raises:
            ValueError: this is the last page.
        """
        if self.next_key is None:
            raise ValueError("this is the last page")
        return await self.read(self.next_key)


async def walk(first: Awaitable[Page[K]]) -> AsyncIterator[tuple[K, Item[K]]]:
    """Iterate over the items of all pages; each is read when it is needed."""
    page = await first
    while True:
        for item in page.items:
            yield item.key, item
        if not page.has_next_page:
            return
        page = await page.next_page()
