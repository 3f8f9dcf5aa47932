"""`syncline permissions`: who may do what with a document, list or map."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import click

from syncline_protocol.objects import TYPES

from .access import Access
from .access_options import with_account_login
from .api import http_client
from .help import Group
from .listings import limit_option, limited
from .object_rest import Permissions
from .options import page_size_option
from .output import show_pages, show_removal, show_resource
from .parameters import Address, Identity

__all__ = ["permissions"]

_PLURALS = {type_.name: type_.plural for type_ in TYPES if type_.has_permissions}


@click.group(
    cls=Group,
    examples=(
        "syncline permissions set document lobby alice --read --write",
        "syncline permissions list map players",
        "syncline permissions delete map players alice",
    ),
)
def permissions() -> None:
    """List, set and delete the permissions of identities for a document, list or map.

    They count only in a service that has them enabled (`syncline services set SERVICE
    --acl-enabled`). This needs the account's login or an API key; tokens are not accepted. A change
    takes effect within a second, in open connections too.
    """


type_argument = click.argument("type_", metavar="TYPE", type=click.Choice(list(_PLURALS)))
object_argument = click.argument("address", metavar="NAME", type=Address("object"))
identity_argument = click.argument("who", metavar="IDENTITY", type=Identity())


@permissions.command("list")
@type_argument
@object_argument
@limit_option
@page_size_option
@with_account_login
def list_(access: Access, type_: str, address: str, *, limit: int | None, page_size: int) -> None:
    """List the permissions for an object. TYPE is document, list or map; NAME may be a SID."""
    with _opened(access, type_, address) as opened:
        show_pages(_COLUMNS, limited(opened.pages(page_size), limit))


@permissions.command()
@type_argument
@object_argument
@identity_argument
@with_account_login
def get(access: Access, type_: str, address: str, who: str) -> None:
    """Print the permission of an identity for an object."""
    with _opened(access, type_, address) as opened:
        show_resource(opened.get(who))


@permissions.command("set")
@type_argument
@object_argument
@identity_argument
@click.option("--read/--no-read", default=None, help="To read the object.")
@click.option("--write/--no-write", default=None, help="To change its data or its items.")
@click.option("--manage/--no-manage", default=None, help="To remove it.")
@with_account_login
def set_(access: Access, type_: str, address: str, who: str, **rights: bool | None) -> None:
    """Replace the permission of an identity: rights that are not named are taken away."""
    if all(right is None for right in rights.values()):
        raise click.UsageError("give --read, --write or --manage, or --no-read for none of them.")
    with _opened(access, type_, address) as opened:
        show_resource(opened.set(who, {name: bool(right) for name, right in rights.items()}))


@permissions.command()
@type_argument
@object_argument
@identity_argument
@with_account_login
def delete(access: Access, type_: str, address: str, who: str) -> None:
    """Delete the permission of an identity for an object."""
    with _opened(access, type_, address) as opened:
        opened.remove(who)
    show_removal(who)


@contextmanager
def _opened(access: Access, type_: str, address: str) -> Iterator[Permissions]:
    service, plural = quote(access.service, safe=""), _PLURALS[type_].capitalize()
    with http_client(access) as http:
        yield Permissions(http, f"v1/Services/{service}/{plural}/{quote(address, safe='')}")


def _right(name: str) -> Callable[[Any], str]:
    return lambda permission: "yes" if permission[name] else "no"


_COLUMNS: dict[str, Callable[[Any], str]] = {
    "identity": lambda permission: permission["identity"],
    **{name: _right(name) for name in ("read", "write", "manage")},
}
"""Columns of the listing."""
