"""The command `watch` of lists, maps and streams."""

from __future__ import annotations

import click

from syncline_protocol.item_types import item_type
from syncline_protocol.objects import ObjectType

from .access import Access
from .access_options import with_access
from .object_watch import query_of, watch_object
from .parameters import Address

__all__ = ["watch_command"]

FIRST_PAGE = 50


def watch_command(type_: ObjectType) -> click.Command:
    """`watch`, for a type."""
    return _watch_items(type_) if type_.has_items else _watch(type_)


def _argument(type_: ObjectType) -> click.Argument:
    return click.Argument(["address"], type=Address(type_.name), metavar=type_.name.upper())


def _watch(type_: ObjectType) -> click.Command:
    @click.command(
        "watch",
        help=f"Print a {type_.name}, then each message, until it is removed or you press Ctrl-C."
        "\n\nIf the connection is lost, the command reconnects and reports it on stderr. Messages "
        "of that time are missing.",
    )
    @with_access
    def watch(access: Access, address: str) -> None:
        watch_object(access, type_, address, [])

    watch.params.insert(0, _argument(type_))
    return watch


def _watch_items(type_: ObjectType) -> click.Command:
    id_name = item_type(type_).id_name

    @click.command(
        "watch",
        help=f"Print a {type_.name} with its first items, then each change, until it is removed or "
        "you press Ctrl-C.\n\nIf the connection is lost, the command reconnects, reports it on "
        "stderr, and prints what has changed meanwhile.",
    )
    @click.option(
        "--items",
        type=click.IntRange(0, 500),
        default=FIRST_PAGE,
        help="Items to print first; 0 for none.",
    )
    @click.option(
        f"--{id_name}",
        "ids",
        multiple=True,
        help=f"Watch only the item with this {id_name}; give it once for each item.",
    )
    @with_access
    def watch(
        access: Access, address: str, items: int, ids: tuple[str, ...], prefix: str | None = None
    ) -> None:
        names = {"Items": items or None, id_name.capitalize(): ids, "Prefix": prefix}
        watch_object(access, type_, address, query_of(**names))

    watch.params.insert(0, _argument(type_))
    if item_type(type_).has_chosen_keys:
        text = "Watch only items whose key begins with this."
        watch.params.append(click.Option(["--prefix"], help=text))
    return watch
