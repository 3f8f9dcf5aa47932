# Made by scripts/generate-blocking. Do not edit: change the async source.
"""Lazy iteration over listings, page by page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from syncline.header import JsonObject

from .http import Http

__all__ = ["listing", "check_limits"]

T = TypeVar("T")

PAGE_SIZE_LIMIT = 100
"""Maximum resources in one page of a listing."""


def check_limits(limit: int | None, page_size: int) -> None:
    """Check the arguments of a listing.

    Raises:
        ValueError: `limit` is negative, or `page_size` is not from 1 to 100.
    """
    if limit is not None and (type(limit) is not int or limit < 0):
        raise ValueError(f"limit must be None or a whole number from 0, not {limit!r}")
    if type(page_size) is not int or not 1 <= page_size <= PAGE_SIZE_LIMIT:
        raise ValueError(
            f"page_size must be a whole number from 1 to {PAGE_SIZE_LIMIT}, not {page_size!r}"
        )


def listing(
    http: Http,
    path: str,
    key: str,
    parse: Callable[[JsonObject], T],
    *,
    limit: int | None,
    page_size: int,
) -> Iterator[T]:
    """Iterate over the resources of a listing; each page is read when it is needed.

    Args:
        key: the member of a page that has the resources.
        limit: maximum number of resources; None for all.
        page_size: resources in a page.
    """
    left = limit
    if left is not None:
        page_size = min(page_size, max(left, 1))
    query: dict[str, str] | None = {"PageSize": str(page_size)}
    while query is not None and left != 0:
        resources, query = http.page(path, key, query)
        for resource in resources[:left]:
            yield parse(resource)
        if left is not None:
            left -= len(resources[:left])
