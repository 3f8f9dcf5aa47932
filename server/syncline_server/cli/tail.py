"""`syncline tail`: prints the events of all objects as they happen."""

from __future__ import annotations

import asyncio
import time
from urllib.parse import urlencode

import click
import httpx2

from syncline import ConnectionLost, RequestError
from syncline.options import Server
from syncline.sse import event_stream
from syncline_protocol.backoff import Backoff
from syncline_protocol.objects import TYPES

from .access import Access
from .access_options import with_services_login
from .failures import printable
from .help import Command
from .object_watch import FIRST_PAUSE, LONGEST_PAUSE, query_of
from .output import show_members
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
    asyncio.run(_follow(access, f"{url}?{urlencode(query)}" if query else url, full=full))


async def _follow(access: Access, url: str, *, full: bool) -> None:
    """Print events; open the stream again when it breaks."""

    def authorize(request: httpx2.Request) -> httpx2.Request:
        request.headers["Authorization"] = access.authorization
        return request

    backoff = Backoff(FIRST_PAUSE, LONGEST_PAUSE)
    was_open = False
    async with httpx2.AsyncClient(auth=authorize, verify=access.tls or True) as http:
        while True:
            started = time.monotonic()
            reason = ""
            try:
                async with event_stream(http, url, None) as events:
                    again = "connected again; events of that time are missing"
                    said = again if was_open else "following the events; Ctrl-C ends it"
                    click.echo(said, err=True)
                    was_open = True
                    async for name, body in events:
                        if name == "closing":
                            if not body["retry"]:
                                raise RequestError(body["code"], 401, body["message"])
                            reason = str(body["message"])
                            break
                        if name != "open":
                            show_members(name, body, full=full)
            except (RequestError, ConnectionLost, httpx2.TransportError) as error:
                if not was_open or not getattr(error, "retry", True):
                    raise
                reason = str(error) or repr(error)
            backoff.reset_if_stable(time.monotonic() - started)
            click.echo(f"connection lost ({printable(reason)}); connecting again", err=True)
            await asyncio.sleep(backoff.pause())
