"""The command `watch` of lists, maps and streams."""

from __future__ import annotations

import click

from syncline_protocol.item_types import item_type
from syncline_protocol.objects import ObjectType

from .access import Access
from .access_options import with_access
from .help import Command
from .object_watch import query_of, watch_object
from .parameters import Address
from .watch import full_option

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
        cls=Command,
        help=f"Print a {type_.name}, then each message, until it is removed or you press Ctrl-C."
        "\n\nIf the connection is lost, the command reconnects and reports it on stderr. Messages "
        "of that time are missing.",
    )
    @full_option
    @with_access
    def watch(access: Access, address: str, full: bool) -> None:
        watch_object(access, type_, address, [], full=full)

    watch.params.insert(0, _argument(type_))
    return watch


def _watch_items(type_: ObjectType) -> click.Command:
    id_name = item_type(type_).id_name

    @click.command(
        "watch",
        cls=Command,
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
    @full_option
    @with_access
    def watch(
        access: Access,
        address: str,
        *,
        items: int,
        ids: tuple[str, ...],
        full: bool,
        prefix: str | None = None,
    ) -> None:
        names = {"Items": items or None, id_name.capitalize(): ids, "Prefix": prefix}
        watch_object(access, type_, address, query_of(**names), full=full)

    watch.params.insert(0, _argument(type_))
    if item_type(type_).has_chosen_keys:
        text = "Watch only items whose key begins with this."
        watch.params.append(click.Option(["--prefix"], help=text))
    return watch
