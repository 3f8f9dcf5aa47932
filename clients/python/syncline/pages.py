"""Pages of items, and the walk over them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, Literal

from .display import Shown, shorten
from .item import Item
from .type_variables import Defaulted, K, T

__all__ = ["PAGE_SIZE", "Order", "Page", "walk"]

Order = Literal["asc", "desc"]
"""Order of the keys."""

PAGE_SIZE = 100
"""Default number of items in a page; the server allows 500."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Page(Defaulted, Shown, Generic[T, K]):
    """Some items of a list or map, in the order of their keys.

    Attributes:
        items: the items.
        next_key: key after which the next page begins; None if this is the last page.
    """

    items: list[Item[T, K]]
    next_key: K | None
    read: Callable[[K], Awaitable[Page[T, K]]] = field(repr=False, compare=False)

    def __repr__(self) -> str:
        return f"<Page of {len(self.items)} items, next_key={self.next_key!r}>"

    def _rows(self) -> list[tuple[object, str]]:
        return [(item.key, shorten(item.json)) for item in self.items]

    @property
    def has_next_page(self) -> bool:
        """True if items follow."""
        return self.next_key is not None

    async def next_page(self) -> Page[T, K]:
        """Read the next page.

        Raises:
            ValueError: this is the last page.
        """
        if self.next_key is None:
            raise ValueError("this is the last page")
        return await self.read(self.next_key)


async def walk(first: Awaitable[Page[T, K]]) -> AsyncIterator[tuple[K, Item[T, K]]]:
    """Iterate over the items of all pages; each is read when it is needed."""
    page = await first
    while True:
        for item in page.items:
            yield item.key, item
        if not page.has_next_page:
            return
        page = await page.next_page()
