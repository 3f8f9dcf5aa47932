"""`syncline tail`: prints the events of all objects as they happen."""

from __future__ import annotations

import asyncio
from urllib.parse import urlencode

import click
import httpx2

from syncline import RequestError
from syncline.options import Server
from syncline.sse import event_stream
from syncline_protocol.objects import TYPES

from .access import Access
from .access_options import with_services_login
from .help import Command
from .object_watch import query_of
from .output import show_members
from .stream_loop import follow_streams
from .watch import full_option

__all__ = ["tail"]

_PLURALS = {type_.name: type_.plural for type_ in TYPES}


@click.command(
    cls=Command,
    examples=(
        "syncline tail",
        "syncline tail --type map --service default",
        "syncline tail -o json | grep alice",
    ),
)
@click.option("--service", help="Print only events of this service.", show_default="all")
@click.option(
    "--type", "type_", type=click.Choice(list(_PLURALS)), help="Print only events of this type."
)
@click.option("--object", "sid", metavar="SID", help="Print only events of this object.")
@full_option
@with_services_login
def tail(
    access: Access, *, service: str | None, type_: str | None, sid: str | None, full: bool
) -> None:
    """Print the events of all objects as they happen, until you press Ctrl-C.

    A table has a line for each event. If more happens than the server sends, a line counts the
    events that are left out; so it does after a lost connection, without a count. This needs the
    account's login or an API key; tokens are not accepted.
    """
    query = query_of(Service=service, Type=_PLURALS.get(type_ or ""), Object=sid)
    url = f"{Server.parse(access.url).http_url}/v1/Events"
    follower = _Tail(f"{url}?{urlencode(query)}" if query else url, full=full)
    asyncio.run(follow_streams(access, follower.follow, lambda: follower.was_open))


class _Tail:
    """The event streams of a tail, one after the other.

    Attributes:
        was_open: true once one of them was open.
    """

    def __init__(self, url: str, *, full: bool) -> None:
        self.was_open = False
        self._url = url
        self._full = full

    async def follow(self, http: httpx2.AsyncClient) -> str:
        """Print the events of one stream; returns why it ended."""
        async with event_stream(http, self._url, None) as events:
            again = "connected again; events of that time are missing"
            click.echo(again if self.was_open else "following the events; Ctrl-C ends it", err=True)
            self.was_open = True
            async for name, body in events:
                if name == "closing":
                    if not body["retry"]:
                        raise RequestError(body["code"], 401, body["message"])
                    return str(body["message"])
                if name != "open":
                    show_members(name, body, full=self._full)
        return ""
