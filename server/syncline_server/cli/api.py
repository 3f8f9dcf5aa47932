"""Requests of the commands to a server's REST API."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
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
"""Seconds for each step of a request."""


@contextmanager
def http_client(
    access: Access, make_client: Callable[..., httpx2.Client] = httpx2.Client
) -> Iterator[httpx2.Client]:
    """A client of the server that `access` names, with its right.

    Args:
        access: asked for its right with each request: a token runs out sooner than a long command.
        make_client: called with what the client has to know of the server.

    Raises:
        ValueError: its URL cannot be a server's.
    """

    def authorize(request: httpx2.Request) -> httpx2.Request:
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
    """Some of what is listed, and the query that asks for what comes after it; None: no more."""

    items: list[JsonObject]
    next: dict[str, str] | None


class Collection:
    """Resources at one path, each below it.

    All methods raise `RequestError` for what the server refuses, `ConnectionLost` for an answer
    that is not Syncline's, and `httpx2.TransportError` where none comes.
    """

    def __init__(self, http: httpx2.Client, path: str, key: str) -> None:
        """`key`: the name of the list in its pages."""
        self._http = http
        self._path = path
        self._key = key

    def pages(self, size: int) -> Iterator[list[JsonObject]]:
        """All, `size` at a time or as many as the server gives."""
        query: Mapping[str, str] | None = {"PageSize": str(size)}
        while query is not None:
            page = self.page(query)
            yield page.items
            query = page.next

    def page(self, query: Mapping[str, str]) -> Page:
        """One page of the listing."""
        page = _parsed(self._call("GET", self._path, params=query))
        try:
            # The server may name itself otherwise than it is reached from here, and the credentials
            # go nowhere else: only the query is taken.
            following = dict(parse_qsl(urlsplit(page["meta"]["next_page_url"] or "").query))
            return Page(page[self._key], following or None)
        except (KeyError, TypeError):
            raise _strange() from None

    def _resource(self, method: str, path: str, **request: Any) -> JsonObject:
        """What the server tells of the resource at a path."""
        resource: JsonObject = _parsed(self._call(method, path, **request))
        return resource

    def _path_of(self, address: str) -> str:
        segment = quote(address, safe="")
        if address in (".", ".."):
            # As they stand they would mean another path (RFC 3986, section 5.2.4).
            segment = segment.replace(".", "%2E")
        return f"{self._path}/{segment}"

    def _call(self, method: str, path: str, **request: Any) -> bytes:
        reply = self._http.request(method, path, **request)
        if not reply.is_success:
            raise refusal(reply)
        return reply.content


def _parsed(content: bytes) -> Any:
    try:
        # Unlike orjson it takes what another server may hold and no document may, as 400 digits:
        # one document is refused then, not the whole page.
        return json.loads(content, parse_int=jsondata.integer)
    except (ValueError, RecursionError):
        raise _strange() from None


def _strange() -> ConnectionLost:
    return ConnectionLost("the answer comes from something that is no Syncline server")
