"""Reads all items of a collection over REST, page by page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from syncline import JsonObject

from .collection import Collection
from .records import ItemState, state_of

__all__ = ["PAGE_SIZE", "Reading", "read_items"]

PAGE_SIZE = 100
"""Items on a page, at most; all of a collection that stays smaller come at one moment."""

Get = Callable[[str, dict[str, str]], Awaitable[Any]]
"""Gets a resource by its path below that of the service, and a query."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What was read.

    Attributes:
        revision: of the collection; None if it was changed meanwhile.
        is_atomic: True if all items came in one page.
    """

    revision: int | None
    items: tuple[ItemState, ...]
    is_atomic: bool


async def read_items(get: Get, collection: Collection, size: int = PAGE_SIZE) -> Reading:
    """Read the pages, and the revision of the collection before and after them."""
    before = await get(collection.path, {})
    page = await get(f"{collection.path}/Items", {"PageSize": str(size)})
    items, is_atomic = [*page["items"]], page["meta"]["next_page_url"] is None
    while (following := page["meta"]["next_page_url"]) is not None:
        # Only the query: the URL names the server past the proxy.
        query = dict(pair.split("=", 1) for pair in urlsplit(following).query.split("&"))
        page = await get(f"{collection.path}/Items", query)
        items += page["items"]
    after = await get(collection.path, {})
    return Reading(
        revision=int(after["revision"]) if before["revision"] == after["revision"] else None,
        items=tuple(_state(collection, each) for each in items),
        is_atomic=is_atomic,
    )


def _state(collection: Collection, item: JsonObject) -> ItemState:
    return state_of(str(item[collection.id_name]), int(item["revision"]), item["data"])
