"""The documents of one service, over REST.

One-shot commands need no socket, and REST takes every kind of credentials.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import httpx2
import orjson

from syncline import Conflict, ConnectionLost, JsonObject, NotFound
from syncline.options import Server
from syncline.refusals import refusal
from syncline_protocol.sids import is_sid

from .access import Access

__all__ = ["Documents", "Page", "connected"]

TIMEOUT = httpx2.Timeout(30, connect=10)
"""Seconds for each step of a request."""


@contextmanager
def connected(
    access: Access, make_client: Callable[..., httpx2.Client] = httpx2.Client
) -> Iterator[Documents]:
    """The documents that `access` opens.

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
        base_url=Server.parse(access.url).http_url, auth=authorize, timeout=TIMEOUT
    ) as http:
        yield Documents(http, access.service)


@dataclass(frozen=True, slots=True)
class Page:
    """Some documents of a listing, and the query that asks for those after them; None: no more."""

    documents: list[JsonObject]
    next: dict[str, str] | None


class Documents:
    """Calls of the REST API; each returns the resource as the server tells it.

    All raise `RequestError` for what the server refuses, `ConnectionLost` for an answer that is not
    Syncline's, and `httpx2.TransportError` where none comes.
    """

    def __init__(self, http: httpx2.Client, service: str) -> None:
        self._http = http
        self._path = f"v1/Services/{quote(service, safe='')}/Documents"

    def get(self, address: str) -> JsonObject:
        """Read one; `address`, here and below, is a SID or a unique name."""
        return self._document("GET", address)

    def set(
        self, address: str, data: bytes | None, ttl: int | None, if_match: str | None
    ) -> JsonObject:
        """Replace the data, the expiry, or both; None leaves one as it is, or sets no condition."""
        return self._document("POST", address, data=_form(data, ttl), headers=_condition(if_match))

    def put(self, address: str, data: bytes, ttl: int | None) -> JsonObject:
        """Replace the data, or create the document where there is none; a SID is never created."""
        while True:
            try:
                return self.set(address, data, ttl, None)
            except NotFound:
                if is_sid(address):
                    raise
            try:
                return self.create(address, data, ttl)
            except Conflict:
                continue  # somebody else created it meanwhile

    def update(
        self,
        address: str,
        operations: list[JsonObject],
        ttl: int | None,
        if_match: str | None,
    ) -> JsonObject:
        """Apply a JSON patch (RFC 6902), to the newest data if `if_match` is None."""
        return self._document(
            "PATCH",
            address,
            content=orjson.dumps(operations),
            params={} if ttl is None else {"Ttl": ttl},
            headers=_condition(if_match) | {"Content-Type": "application/json-patch+json"},
        )

    def remove(self, address: str, if_match: str | None) -> None:
        """Remove it for everyone."""
        self._call("DELETE", self._path_of(address), headers=_condition(if_match))

    def create(
        self, name: str | None, data: bytes, ttl: int | None, op: str | None = None
    ) -> JsonObject:
        """Create a document; sent twice with the same operation id, it is created once."""
        form = _form(data, ttl) if name is None else {"UniqueName": name, **_form(data, ttl)}
        headers = {} if op is None else {"Idempotency-Key": op}
        created: JsonObject = _parsed(self._call("POST", self._path, data=form, headers=headers))
        return created

    def pages(self, size: int) -> Iterator[list[JsonObject]]:
        """All documents, `size` at a time or as many as the server gives."""
        query: Mapping[str, str] | None = {"PageSize": str(size)}
        while query is not None:
            page = self.page(query)
            yield page.documents
            query = page.next

    def page(self, query: Mapping[str, str]) -> Page:
        """One page of the listing."""
        page = _parsed(self._call("GET", self._path, params=query))
        try:
            # The server may name itself otherwise than it is reached from here, and the credentials
            # go nowhere else: only the query is taken.
            following = dict(parse_qsl(urlsplit(page["meta"]["next_page_url"] or "").query))
            return Page(page["documents"], following or None)
        except (KeyError, TypeError):
            raise _strange() from None

    def _document(self, method: str, address: str, **request: Any) -> JsonObject:
        document: JsonObject = _parsed(self._call(method, self._path_of(address), **request))
        return document

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
        # Unlike orjson it alters no integer of more than 64 bits, which another server may hold.
        return json.loads(content)
    except (ValueError, RecursionError):
        raise _strange() from None


def _strange() -> ConnectionLost:
    return ConnectionLost("the answer comes from something that is no Syncline server")


def _form(data: bytes | None, ttl: int | None) -> dict[str, str]:
    form = {} if data is None else {"Data": data.decode()}
    return form if ttl is None else form | {"Ttl": str(ttl)}


def _condition(if_match: str | None) -> dict[str, str]:
    return {} if if_match is None else {"If-Match": if_match}
