"""`syncline connections`: who is connected to which server."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import click
import httpx2

from .access import Access
from .access_options import with_services_login
from .api import Collection, Page, http_client
from .failures import printable
from .help import Group
from .listings import limit_option, limited
from .options import page_size_option
from .output import show_pages, show_removal

__all__ = ["connections"]

SHOWN = 3
"""Open objects that a table has of each connection."""


class Connections(Collection):
    """The open connections of all servers, over REST.

    Attributes:
        silent: what did not answer, of all pages so far.
    """

    def __init__(self, http: httpx2.Client) -> None:
        super().__init__(http, "v1/Connections", "connections")
        self.silent = dict[str, None]()

    def page(self, query: Mapping[str, str | Sequence[str]]) -> Page:
        """As `Collection.page`."""
        page = super().page(query)
        # A server of an older version does not name others.
        silent = [f"worker {each}" for each in page.others.get("silent_workers", ())]
        silent += [f"the server {each}" for each in page.others.get("silent_servers", ())]
        self.silent.update(dict.fromkeys(silent))
        return page

    def close(self, connection: str) -> None:
        """Close a connection."""
        self._call("DELETE", self._path_of(connection))


@click.group(
    cls=Group,
    examples=(
        "syncline connections list",
        "syncline connections list --prefix alice --service default -o table",
        "syncline connections close CN…",
    ),
)
def connections() -> None:
    """List who is connected, on all servers of one Redis, and close connections.

    This needs the account's login or an API key; tokens are not accepted.
    """


@connections.command("list")
@click.option("--prefix", help="List only those whose identity begins with this.")
@click.option("--service", help="List only those of this service.", show_default="all")
@limit_option
@page_size_option
@with_services_login
def list_(
    access: Access,
    prefix: str | None,
    service: str | None,
    *,
    limit: int | None,
    page_size: int,
) -> None:
    """List the open connections, the oldest first: WebSockets, event streams and tails."""
    filters = {"Identity": prefix, "Service": service}
    query = {name: value for name, value in filters.items() if value}
    with _opened(access) as opened:
        show_pages(_COLUMNS, limited(opened.pages(page_size, query), limit))
        if opened.silent:
            names = printable(", ".join(opened.silent))
            click.echo(f"not all answered in time; connections are missing of {names}", err=True)


@connections.command()
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@with_services_login
def close(access: Access, ids: tuple[str, ...]) -> None:
    """Close connections. A client that still has a valid token connects again."""
    with _opened(access) as opened:
        for each in ids:
            opened.close(each)
            show_removal(each, "closed")


@contextmanager
def _opened(access: Access) -> Iterator[Connections]:
    with http_client(access) as http:
        yield Connections(http)


def _opened_by(connection: Mapping[str, Any]) -> str:
    """The first objects that a connection has open, and how many more."""
    shown = list(connection["opened"])[:SHOWN]
    more = connection["open_count"] - len(shown)
    return ", ".join([*shown, *([f"{more} more"] if more else [])])


_COLUMNS: dict[str, Callable[[Any], str]] = {
    "connection": lambda each: each["id"],
    "identity": lambda each: each["identity"] or "–",
    "wire": lambda each: each["wire"],
    "from": lambda each: each["peer"] or "–",
    "server": lambda each: f"{each.get('server', '')}/{each['worker']}",
    "since": lambda each: each["date_created"],
    "slow": lambda each: "yes" if each["is_slow"] else "no",
    "open": _opened_by,
}
"""Columns of the listing."""
