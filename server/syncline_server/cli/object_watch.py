"""`syncline list|map|stream watch`: prints an object, then each change or message."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from urllib.parse import quote, urlencode

import click
import httpx2

from syncline import ConnectionLost, JsonObject, NotFound, RequestError
from syncline.options import Server
from syncline.sse import event_stream
from syncline_protocol.backoff import Backoff
from syncline_protocol.errors import Code
from syncline_protocol.objects import ObjectType

from .access import Access
from .failures import printable
from .output import show_members

__all__ = ["FIRST_PAUSE", "LONGEST_PAUSE", "query_of", "watch_object"]

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30
"""Maximum of the first pause and of any pause in seconds, after a lost connection."""


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
        self._is_lost = False

    async def run(self) -> None:
        """Print events until the object is removed."""
        backoff = Backoff(FIRST_PAUSE, LONGEST_PAUSE)
        verify = self._access.tls or True
        async with httpx2.AsyncClient(auth=self._authorize, verify=verify) as http:
            while True:
                started = time.monotonic()
                try:
                    if await self._follow(http):
                        return
                    error = None
                except NotFound:
                    if self._header is None:
                        raise
                    return show_members("removed", {self._type.name: self._header}, full=self._full)
                except (RequestError, ConnectionLost, httpx2.TransportError) as found:
                    if self._header is None or not getattr(found, "retry", True):
                        raise
                    error = found
                backoff.reset_if_stable(time.monotonic() - started)
                self._report_loss(error)
                await asyncio.sleep(backoff.pause())

    async def _follow(self, http: httpx2.AsyncClient) -> bool:
        """Print the events of one stream. True if the object is removed."""
        async with event_stream(http, self._url, self._known) as events:
            if self._is_lost:
                click.echo("reconnected", err=True)
                self._is_lost = False
            async for name, body in events:
                if name == "closing":
                    # After an expiry, the next stream has a new token, if one can be made.
                    if not body["retry"] and body["code"] != Code.TOKEN_EXPIRED:
                        raise RequestError(body["code"], 401, body["message"])
                    return False
                show_members(name, body, full=self._full)
                if name == "removed":
                    return True
                self._remember(body)
        return False

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

    def _authorize(self, request: httpx2.Request) -> httpx2.Request:
        request.headers["Authorization"] = self._access.authorization
        return request

    def _report_loss(self, error: Exception | None) -> None:
        """Report a lost connection on stderr, so that stdout holds only the object."""
        reason = "" if error is None else f" ({printable(str(error) or repr(error))})"
        click.echo(f"connection lost{reason}; reconnecting", err=True)
        self._is_lost = True


def query_of(**options: Any) -> list[tuple[str, str]]:
    """The query with the options that are given, each once or several times."""
    query: list[tuple[str, str]] = []
    for name, value in options.items():
        values = value if isinstance(value, tuple) else (value,)
        query += [(name, str(each)) for each in values if each is not None]
    return query
