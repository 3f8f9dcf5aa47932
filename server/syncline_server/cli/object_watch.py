"""`syncline list|map|stream watch`: prints an object, then each change or message."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote, urlencode

import click
import httpx2

from syncline import JsonObject, NotFound, RequestError
from syncline.options import Server
from syncline.sse import event_stream
from syncline_protocol.errors import Code
from syncline_protocol.objects import ObjectType

from .access import Access
from .output import show_members
from .stream_loop import follow_streams

__all__ = ["query_of", "watch_object"]


def watch_object(
    access: Access,
    type_: ObjectType,
    address: str,
    query: list[tuple[str, str]],
    *,
    full: bool,
) -> None:
    """Print an object and its events until it is removed.

    Args:
        full: print all members in a table, not only a line with what has changed.
        query: of the event stream (docs/protocol.md, section 9).

    Raises:
        syncline.SynclineError, httpx2.TransportError: the stream could not be opened the first
            time; later only an error that repeating does not cure.
    """
    asyncio.run(_Watch(access, type_, address, query, full=full).run())


class _Watch:
    """The event streams of one object, one after the other.

    A stream that breaks is opened again from the revision that was reached.
    """

    def __init__(
        self,
        access: Access,
        type_: ObjectType,
        address: str,
        query: list[tuple[str, str]],
        *,
        full: bool,
    ) -> None:
        self._full = full
        self._access = access
        self._type = type_
        self._query = f"?{urlencode(query)}" if query else ""
        self._address = address
        # The object as the last event names it; None before the first.
        self._header: JsonObject | None = None
        self._known: int | None = None

    async def run(self) -> None:
        """Print events until the object is removed."""
        await follow_streams(self._access, self._attempt, lambda: self._header is not None)

    async def _attempt(self, http: httpx2.AsyncClient) -> str | None:
        try:
            return await self._follow(http)
        except NotFound:
            if self._header is None:
                raise
            show_members("removed", {self._type.name: self._header}, full=self._full)
            return None

    async def _follow(self, http: httpx2.AsyncClient) -> str | None:
        """Print the events of one stream; returns why it ended, None if the object is removed."""
        was_open = self._header is not None
        async with event_stream(http, self._url, self._known) as events:
            if was_open:
                click.echo("connected again", err=True)
            async for name, body in events:
                if name == "closing":
                    # After an expiry, the next stream has a new token, if one can be made.
                    if not body["retry"] and body["code"] != Code.TOKEN_EXPIRED:
                        raise RequestError(body["code"], 401, body["message"])
                    return str(body["message"])
                show_members(name, body, full=self._full)
                if name == "removed":
                    return None
                self._remember(body)
        return ""

    @property
    def _url(self) -> str:
        # After the first event by SID: another object may have the name by then.
        address = self._address if self._header is None else self._header["sid"]
        service = quote(self._access.service, safe="")
        path = f"v1/Services/{service}/{self._type.plural.capitalize()}/{quote(address, safe='')}"
        return f"{Server.parse(self._access.url).http_url}/{path}/Events{self._query}"

    def _remember(self, body: JsonObject) -> None:
        header = body[self._type.name]
        if "revision" in header:
            self._header = {name: header.get(name) for name in ("sid", "unique_name", "revision")}
            self._known = int(body.get("more_since") or header["revision"])


def query_of(**options: Any) -> list[tuple[str, str]]:
    """The query with the options that are given, each once or several times."""
    query: list[tuple[str, str]] = []
    for name, value in options.items():
        values = value if isinstance(value, tuple) else (value,)
        query += [(name, str(each)) for each in values if each is not None]
    return query
