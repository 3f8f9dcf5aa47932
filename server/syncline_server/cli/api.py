"""HTTP client of the commands for a server's REST API."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import httpx2

from syncline import ConnectionLost, JsonObject
from syncline.options import Server
from syncline.refusals import refusal
from syncline_protocol import jsondata

from .access import Access

__all__ = ["Collection", "Page", "http_client"]

TIMEOUT = httpx2.Timeout(30, connect=10)
"""Seconds to connect, and seconds for each read or write of a request."""


@contextmanager
def http_client(
    access: Access, make_client: Callable[..., httpx2.Client] = httpx2.Client
) -> Iterator[httpx2.Client]:
    """An HTTP client of the server at `access.url`, authorized by `access`.

    Args:
        access: read again for each request, because a token may expire during a long command.
        make_client: called with the options of `httpx2.Client`.

    Raises:
        ValueError: `access.url` is not the URL of a server.
    """

    def authorize(request: httpx2.Request) -> httpx2.Request:
        if access.has_login:
            request.headers["Authorization"] = access.authorization
        return request

    with make_client(
        base_url=Server.parse(access.url).http_url,
        auth=authorize,
        timeout=TIMEOUT,
        verify=access.tls or True,
    ) as http:
        yield http


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing, and the query for the next page; None after the last page.

    `others`: further members of the reply.
    """

    items: list[JsonObject]
    next: dict[str, str] | None
    others: JsonObject = field(default_factory=dict)


class Collection:
    """A REST collection and its resources.

    All methods raise `RequestError` if the server refuses the request, `ConnectionLost` if the
    answer is not Syncline's, and `httpx2.TransportError` if there is no answer.
    """

    def __init__(self, http: httpx2.Client, path: str, key: str) -> None:
        """`key`: the member of a page that holds the list of resources."""
        self._http = http
        self._path = path
        self._key = key

    def pages(
        self, size: int, options: Mapping[str, str | Sequence[str]] | None = None
    ) -> Iterator[list[JsonObject]]:
        """All resources in pages of `size`, or of fewer if the server limits the page size.

        `options`: further parameters of the query.
        """
        query: Mapping[str, str | Sequence[str]] | None = {"PageSize": str(size), **(options or {})}
        while query is not None:
            page = self.page(query)
            yield page.items
            query = page.next

    def page(self, query: Mapping[str, str | Sequence[str]]) -> Page:
        """Fetch one page of the listing; `query` is that of `Page.next`, or the first one."""
        page = _parsed(self._call("GET", self._path, params=query))
        try:
            # Take only the query: the host in `next_page_url` may differ from the one in our URL
            # (behind a proxy), and credentials must not be sent to another host.
            following = dict(parse_qsl(urlsplit(page["meta"]["next_page_url"] or "").query))
            return Page(page.pop(self._key), following or None, page)
        except (KeyError, TypeError):
            raise _not_syncline() from None

    def _resource(self, method: str, path: str, **request: Any) -> JsonObject:
        """The resource in the reply to a request."""
        resource: JsonObject = _parsed(self._call(method, path, **request))
        return resource

    def _path_of(self, address: str) -> str:
        segment = quote(address, safe="")
        if address in (".", ".."):
            # A client would resolve "." and ".." as path segments (RFC 3986, section 5.2.4).
            segment = segment.replace(".", "%2E")
        return f"{self._path}/{segment}"

    def _call(self, method: str, path: str, **request: Any) -> bytes:
        reply = self._http.request(method, path, **request)
        if not reply.is_success:
            raise refusal(reply)
        return reply.content


def _parsed(content: bytes) -> Any:
    try:
        # `json`, not orjson: a page of another server may hold a value that no document may, such
        # as an integer of 400 digits. Then one document is refused, not the whole page.
        return json.loads(content, parse_int=jsondata.integer)
    except (ValueError, RecursionError):
        raise _not_syncline() from None


def _not_syncline() -> ConnectionLost:
    return ConnectionLost("the answer does not come from a Syncline server")
