"""Pages of a listing: what a caller asks for, and the `meta` that leads to the next."""

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

__all__ = ["DEFAULT_SIZE", "LARGEST_PAGE", "LARGEST_SIZE", "PageRequest"]

DEFAULT_SIZE = 50
"""What is listed on a page, if the caller does not say."""

LARGEST_SIZE = 100
"""What is listed on a page, at most (vendor's rule). A larger `PageSize` is taken as this one: the
vendor's helpers send the `limit` of their caller as it is."""

LARGEST_PAGE = 10**15 - 1
"""The largest `Page`: the caller's own book-keeping."""

_NUMBER = re.compile(r"[0-9]{1,15}", re.ASCII)
_SIZE = re.compile(r"0*(?P<digits>[1-9][0-9]*)", re.ASCII)


@dataclass(frozen=True, slots=True)
class PageRequest:
    """One page of a listing.

    Attributes:
        size: what is listed on it, at most.
        number: the caller's count of pages, from 0; nothing depends on it.
        token: where it begins; None for the first page.
    """

    size: int
    number: int
    token: str | None

    @classmethod
    def of(cls, query: bytes) -> PageRequest:
        """The page that a query asks for; parameters of other names are ignored here.

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
            DEFAULT_SIZE if size is None else _size(size),
            0 if number is None else _number(number),
            token,
        )

    def reply(self, key: str, url: str, resources: list[Any], page: Page[Any]) -> Response:
        """The reply with a page.

        Args:
            key: the name of what is listed.
            url: of the whole list.
            resources: what is on the page, as it is shown.
            page: where it is.
        """
        return json_reply({key: resources, "meta": self.meta(key, url, page.previous, page.next)})

    def meta(
        self, key: str, url: str, previous: str | None, following: str | None
    ) -> dict[str, Any]:
        """The `meta` of the reply.

        Args:
            key: the name of what is listed.
            url: of the whole list.
            previous, following: tokens of those pages; None where there is none.
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
        query: dict[str, str | int] = {"PageSize": self.size, "Page": number}
        if token is not None:
            query["PageToken"] = token
        return f"{url}?{urlencode(query)}"


def _size(text: str) -> int:
    match = _SIZE.fullmatch(text)
    if match is None:
        raise Refusal(
            Code.INVALID_PAGE_SIZE,
            f"PageSize must be a whole number from 1 on; above {LARGEST_SIZE} it is taken as "
            f"{LARGEST_SIZE}; {fields.show(text)} was given.",
        )
    # By its length first: Python refuses to read a number of thousands of digits.
    digits = match["digits"]
    return LARGEST_SIZE if len(digits) > 3 else min(int(digits), LARGEST_SIZE)


def _number(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise Refusal(
            Code.INVALID_PARAMETER,
            f"Page must be a whole number from 0 to {LARGEST_PAGE}; {fields.show(text)} was given.",
        )
    return int(text)
