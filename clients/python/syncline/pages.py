"""Pages of items, and the walk over them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Literal

from .display import Shown, shorten
from .item import Item
from .type_variables import Defaulted, K, T

__all__ = ["PAGE_SIZE", "Order", "Page", "Read", "checked", "first_page", "walk"]

Order = Literal["asc", "desc"]
"""Order of the keys."""

PAGE_SIZE = 100
"""Default number of items in a page; the server allows 500."""


Bounds = dict[str, Any]
"""Where a page begins: the member `from` or `after` of the request `items`."""

Read = Callable[[Bounds, Order], Awaitable[tuple[list[Item[T, K]], K | None]]]
"""Reads the items from some bounds on; returns them, and the key after which more follow."""

_OPPOSITE: dict[Order, Order] = {"asc": "desc", "desc": "asc"}


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Page(Defaulted, Shown, Generic[T, K]):
    """Some items of a list or map, in the order of their keys.

    Attributes:
        items: the items.
        next_key: key after which the next page begins; None if this is the last page.
    """

    items: list[Item[T, K]]
    next_key: K | None
    order: Order = field(repr=False, compare=False)
    read: Read[T, K] = field(repr=False, compare=False)
    before: Bounds | None = field(repr=False, compare=False)
    following: Bounds | None = field(default=None, repr=False, compare=False)

    def __repr__(self) -> str:
        return f"<Page of {len(self.items)} items, next_key={self.next_key!r}>"

    def _rows(self) -> list[tuple[object, str]]:
        return [(item.key, shorten(item.json)) for item in self.items]

    @property
    def has_next_page(self) -> bool:
        """True if items follow."""
        return self.next_key is not None

    @property
    def has_prev_page(self) -> bool:
        """True if there are items before this page."""
        return self.before is not None

    async def next_page(self) -> Page[T, K]:
        """Read the next page.

        Raises:
            ValueError: this is the last page.
        """
        if self.next_key is None:
            raise ValueError("this is the last page")
        bounds = self.following or {"after": self.next_key}
        items, next_key = await self.read(bounds, self.order)
        # Items that followed may have been removed: then this page begins where they did.
        before = {"after": items[0].key} if items else _behind(bounds)
        return replace(self, items=items, next_key=next_key, before=before, following=None)

    async def prev_page(self) -> Page[T, K]:
        """Read the page before, in the same order.

        Raises:
            ValueError: this is the first page.
        """
        if self.before is None:
            raise ValueError("this is the first page")
        items, earlier = await self.read(self.before, _OPPOSITE[self.order])
        items.reverse()
        before = None if earlier is None else {"after": earlier}
        if items:
            return replace(self, items=items, next_key=items[-1].key, before=before, following=None)
        # They were removed: the next page begins where they ended.
        [next_key] = self.before.values()
        following = _behind(self.before)
        return replace(self, items=[], next_key=next_key, before=None, following=following)


async def first_page(
    read: Read[T, K], start: K | None, after: K | None, order: Order
) -> Page[T, K]:
    """Read the first page of a walk that begins at `start`, or after `after`, or at an end."""
    items, next_key = await read({"from": start, "after": after}, order)
    before: Bounds | None = None
    if start is not None or after is not None:
        # There may be items before; only the server knows (`checked`).
        before = {"after": start} if after is None else {"from": after}
        if items:
            before = {"after": items[0].key}
    return Page(items=items, next_key=next_key, order=order, read=read, before=before)


async def checked(page: Page[T, K]) -> Page[T, K]:
    """The page, after the server has said whether there are items before it."""
    if page.before is None:
        return page
    found, _ = await page.read({**page.before, "limit": 1}, _OPPOSITE[page.order])
    return page if found else replace(page, before=None)


def _behind(bounds: Bounds) -> Bounds:
    """The bounds of the items that these do not reach, in the opposite order."""
    [(name, key)] = bounds.items()
    return {"from" if name == "after" else "after": key}


async def walk(first: Awaitable[Page[T, K]]) -> AsyncIterator[tuple[K, Item[T, K]]]:
    """Iterate over the items of all pages; each is read when it is needed."""
    page = await first
    while True:
        for item in page.items:
            yield item.key, item
        if not page.has_next_page:
            return
        page = await page.next_page()
