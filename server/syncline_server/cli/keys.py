"""`syncline keys`: add, list and revoke API keys of running servers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click
import httpx2

from syncline import JsonObject

from .access import Access
from .access_options import with_owner_login
from .api import Collection, http_client
from .help import Group
from .listings import limit_option, limited
from .output import show_pages, show_resource
from .parameters import KeySid
from .questions import confirm, yes_option

__all__ = ["keys"]

PAGE_SIZE = 100


class Keys(Collection):
    """The API keys of a server, over REST."""

    def __init__(self, http: httpx2.Client) -> None:
        super().__init__(http, "v1/Keys", "keys")

    def add(self, name: str | None, login_only: bool) -> JsonObject:
        """Create a key; the resource in the reply holds its secret."""
        given = {} if name is None else {"FriendlyName": name}
        return self._resource(
            "POST", self._path, data={**given, "LoginOnly": str(login_only).lower()}
        )

    def get(self, sid: str) -> JsonObject:
        """Fetch a key, without its secret."""
        return self._resource("GET", self._path_of(sid))

    def revoke(self, sid: str) -> None:
        """Make a key permanently invalid."""
        self._call("DELETE", self._path_of(sid))


@click.group(cls=Group, examples=("syncline keys add --name back-end", "syncline keys list"))
def keys() -> None:
    """Add, list and revoke API keys.

    A change takes effect on every server within a second.

    The keys are stored in the Redis that the servers share, so you can rotate them without a
    restart: add a key, let your back end sign with it, and revoke the old key when the tokens that
    it signed have expired.

    This needs the account's own login: SYNCLINE_ACCOUNT_SID with SYNCLINE_AUTH_TOKEN, or the data
    directory of a server on this machine. API keys and tokens are not accepted.
    """


@keys.command()
@click.option("--name", help="Name of the key, to recognize it.")
@click.option(
    "--login-only/--no-login-only",
    default=False,
    help="Allow only Basic logins, no access tokens; then Redis stores only a hash of the secret.",
)
@with_owner_login
def add(access: Access, name: str | None, login_only: bool) -> None:
    """Create a key, and print it with its secret, which cannot be shown again."""
    with _opened(access) as opened:
        show_resource(opened.add(name, login_only))
    click.echo("Store the secret now: it cannot be shown again.", err=True)


@keys.command("list")
@limit_option
@with_owner_login
def list_(access: Access, limit: int | None) -> None:
    """List the valid keys, including those in the server's configuration."""
    with _opened(access) as opened:
        show_pages(_COLUMNS, limited(opened.pages(PAGE_SIZE), limit))


@keys.command()
@click.argument("sid", type=KeySid())
@with_owner_login
def get(access: Access, sid: str) -> None:
    """Print a key, without its secret."""
    with _opened(access) as opened:
        show_resource(opened.get(sid))


@keys.command()
@click.argument("sid", type=KeySid())
@yes_option
@with_owner_login
def revoke(access: Access, sid: str, yes: bool) -> None:
    """Make a key permanently invalid, with the tokens it signed; close the connections that use it.

    You can also revoke a key of the server's configuration, although it is still listed there.
    """
    confirm(f"Revoke {sid}, and all tokens that it signed?", yes)
    with _opened(access) as opened:
        opened.revoke(sid)
    show_resource({"revoked": sid})


@contextmanager
def _opened(access: Access) -> Iterator[Keys]:
    with http_client(access) as http:
        yield Keys(http)


_COLUMNS = {
    "key": lambda key: key["sid"],
    "name": lambda key: key["friendly_name"] or "–",
    "for": lambda key: "logins" if key["login_only"] else "logins, tokens",
    "made": lambda key: key["date_created"] or "by the configuration",
}
"""Columns of the listing."""
