"""Pages of a listing: the query parameters, and the `meta` with the URLs of other pages."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from syncline_protocol import fields
from syncline_protocol.errors import Code, Refusal
from syncline_server.storage.paging import Page

from . import urlencoded
from .responses import json_reply
from .values import query_value

__all__ = [
    "DEFAULT_SIZE",
    "LARGEST_PAGE",
    "LARGEST_SIZE",
    "PageRequest",
    "page_number",
    "page_size",
]

DEFAULT_SIZE = 50
"""Items on a page without a `PageSize`."""

LARGEST_SIZE = 100
"""Maximum items on a page (vendor limit). A larger `PageSize` counts as this one: the vendor's
helpers pass their own `limit` argument unchanged."""

LARGEST_PAGE = 10**15 - 1
"""Maximum `Page`, a number that only the client uses."""

_NUMBER = re.compile(r"[0-9]{1,15}", re.ASCII)
_SIZE = re.compile(r"0*(?P<digits>[1-9][0-9]*)", re.ASCII)


@dataclass(frozen=True, slots=True)
class PageRequest:
    """A request for one page of a listing.

    Attributes:
        size: maximum items on the page.
        number: the client's count of pages, from 0; nothing depends on it.
        token: where the page begins; None for the first page.
        filters: other query parameters, which the URLs of other pages have too.
    """

    size: int
    number: int
    token: str | None
    filters: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, query: bytes, filters: tuple[tuple[str, str], ...] = ()) -> PageRequest:
        """The page that a query asks for; other parameters are ignored here.

        `filters`: as the attribute.

        Raises:
            Refusal: `INVALID_PAGE_SIZE`, `INVALID_PAGE_TOKEN` or, for `Page`, `INVALID_PARAMETER`.
        """
        given = urlencoded.pairs(query, "the query")
        size = query_value(given, "PageSize", Code.INVALID_PAGE_SIZE)
        number = query_value(given, "Page", Code.INVALID_PARAMETER)
        token = query_value(given, "PageToken", Code.INVALID_PAGE_TOKEN)
        if token == "":
            raise Refusal(Code.INVALID_PAGE_TOKEN, "PageToken must not be empty.")
        return cls(
            DEFAULT_SIZE if size is None else page_size(size),
            0 if number is None else page_number(number),
            token,
            filters,
        )

    def reply(self, key: str, url: str, resources: list[Any], page: Page[Any]) -> Response:
        """The reply with a page.

        Args:
            key: the member that holds the items, the plural of their type.
            url: URL of the listing.
            resources: the items as JSON values.
            page: has the tokens of the previous and the next page.
        """
        return json_reply({key: resources, "meta": self.meta(key, url, page.previous, page.next)})

    def meta(
        self, key: str, url: str, previous: str | None, following: str | None
    ) -> dict[str, Any]:
        """The `meta` of the reply.

        Args:
            key: the member that holds the items, the plural of their type.
            url: URL of the listing.
            previous, following: tokens of the adjacent pages; None without such a page.
        """
        return {
            "key": key,
            "page": self.number,
            "page_size": self.size,
            "url": self._url(url, self.number, self.token),
            "first_page_url": self._url(url, 0, None),
            "previous_page_url": None
            if previous is None
            else self._url(url, max(self.number - 1, 0), previous),
            "next_page_url": None
            if following is None
            else self._url(url, self.number + 1, following),
        }

    def _url(self, url: str, number: int, token: str | None) -> str:
        query: dict[str, str | int] = {
            **dict(self.filters),
            "PageSize": self.size,
            "Page": number,
        }
        if token is not None:
            query["PageToken"] = token
        return f"{url}?{urlencode(query)}"


def page_size(text: str) -> int:
    """The size in a `PageSize`. Raises `INVALID_PAGE_SIZE`."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise Refusal(
            Code.INVALID_PAGE_SIZE,
            f"PageSize must be a whole number of at least 1; above {LARGEST_SIZE} it counts as "
            f"{LARGEST_SIZE}; {fields.show(text)} was given.",
        )
    # Length first: `int` raises for a number of thousands of digits.
    digits = match["digits"]
    return LARGEST_SIZE if len(digits) > 3 else min(int(digits), LARGEST_SIZE)


def page_number(text: str) -> int:
    """The number in a `Page`. Raises `INVALID_PARAMETER`."""
    if not _NUMBER.fullmatch(text):
        raise Refusal(
            Code.INVALID_PARAMETER,
            f"Page must be a whole number from 0 to {LARGEST_PAGE}; {fields.show(text)} was given.",
        )
    return int(text)
