"""The commands that lists, maps and streams share; each type adds its row and its own commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import click

from syncline_protocol.item_types import item_type
from syncline_protocol.objects import ObjectType

from .access import Access
from .access_options import with_access
from .help import Command, Group
from .listings import limit_option, limited, name_query, prefix_option
from .object_rest import ItemRequest, Items, Objects, open_service
from .options import page_size_option
from .output import show_items, show_objects, show_removal, show_resource
from .parameters import Address, ItemId
from .questions import confirm, yes_option
from .watch_commands import watch_command

__all__ = [
    "if_match_option",
    "item_ttl_option",
    "object_argument",
    "object_group",
    "opened",
    "opened_items",
]

_CREDENTIALS = """
    Credentials are found as for `syncline doc`.
"""

Function = Callable[..., None]


item_ttl_option = click.option(
    "--ttl",
    type=int,
    help="Seconds until the item expires; 0 means no expiry.",
)
if_match_option = click.option(
    "--if-match", metavar="REVISION", help="Write only if the item has this revision."
)


def object_argument(type_: ObjectType) -> Callable[[Function], Function]:
    """The argument for the SID or the unique name of an object."""
    return click.argument(
        "address", type=Address(type_.name), metavar=type_.name.upper(), required=True
    )


@contextmanager
def opened(access: Access, type_: ObjectType) -> Iterator[Objects]:
    """The objects of a type in the service of `access`."""
    with open_service(access) as service:
        yield service.objects(type_)


@contextmanager
def opened_items(access: Access, type_: ObjectType, address: str) -> Iterator[Items]:
    """The items of a list or map."""
    with opened(access, type_) as objects:
        yield objects.items(address)


def object_group(type_: ObjectType, summary: str, examples: Sequence[str] = ()) -> click.Group:
    """The group of commands for one type, with those that every type has: create, ttl and
    watch."""
    group = Group(type_.name, help=f"{summary}\n{_CREDENTIALS}", examples=examples)
    for command in (_create(type_), watch_command(type_)):
        group.add_command(command)
    if type_.has_items:
        # Read, remove and list: these commands are for the object or for one of its items.
        commands = (
            _get_with_items(type_),
            _rm_with_items(type_),
            _ls_with_items(type_),
            _ttl_with_items(type_),
        )
    else:
        commands = (_get(type_), _rm(type_), _ls(type_), _ttl(type_))
    for command in commands:
        group.add_command(command)
    return group


def _create(type_: ObjectType) -> click.Command:
    @click.command(
        "create", cls=Command, help=f"Create a {type_.name}; without a name it has only its SID."
    )
    @click.argument("name", type=Address(type_.name), required=False)
    @click.option("--ttl", type=int, help=f"Seconds until the {type_.name} expires; 0 means never.")
    @with_access
    def create(access: Access, name: str | None, ttl: int | None) -> None:
        with opened(access, type_) as objects:
            show_resource(objects.create(name, ttl))

    return create


def _ttl(type_: ObjectType) -> click.Command:
    @click.command(
        "ttl", cls=Command, help=f"Set when a {type_.name} expires: after SECONDS, or never (0)."
    )
    @object_argument(type_)
    @click.argument("seconds", type=int)
    @with_access
    def ttl(access: Access, address: str, seconds: int) -> None:
        with opened(access, type_) as objects:
            show_resource(objects.set_ttl(address, seconds))

    return ttl


def _get(type_: ObjectType) -> click.Command:
    @click.command("get", cls=Command, help=f"Print a {type_.name}.")
    @object_argument(type_)
    @with_access
    def get(access: Access, address: str) -> None:
        with opened(access, type_) as objects:
            show_resource(objects.get(address))

    return get


def _rm(type_: ObjectType) -> click.Command:
    @click.command("rm", cls=Command, help=f"Remove a {type_.name} for everyone.")
    @object_argument(type_)
    @yes_option
    @with_access
    def rm(access: Access, address: str, yes: bool) -> None:
        confirm(f"Remove the {type_.name} {address} for everyone?", yes)
        with opened(access, type_) as objects:
            objects.remove(address)
        show_removal(address)

    return rm


def _ls(type_: ObjectType) -> click.Command:
    @click.command("ls", cls=Command, help=f"List all {type_.plural}.")
    @prefix_option
    @limit_option
    @page_size_option
    @with_access
    def ls(access: Access, prefix: str | None, limit: int | None, page_size: int) -> None:
        with opened(access, type_) as objects:
            found = objects.pages(page_size, name_query(prefix))
            show_objects(type_.name, limited(found, limit))

    return ls


def _item_argument(*, required: bool) -> Callable[[Function], Function]:
    return click.argument("item", type=ItemId(), required=required)


def _get_with_items(type_: ObjectType) -> click.Command:
    @click.command("get", cls=Command, help=f"Print a {type_.name}, or one ITEM of it.")
    @object_argument(type_)
    @_item_argument(required=False)
    @with_access
    def get(access: Access, address: str, item: str | None) -> None:
        with opened(access, type_) as objects:
            found = objects.get(address) if item is None else objects.items(address).get(item)
            show_resource(found)

    return get


def _rm_with_items(type_: ObjectType) -> click.Command:
    @click.command(
        "rm", cls=Command, help=f"Remove one ITEM, or the whole {type_.name} for everyone."
    )
    @object_argument(type_)
    @_item_argument(required=False)
    @if_match_option
    @yes_option
    @with_access
    def rm(
        access: Access, address: str, *, item: str | None, if_match: str | None, yes: bool
    ) -> None:
        if item is None and if_match is not None:
            raise click.UsageError("--if-match needs ITEM: only items have conditions.")
        whole = f"the {type_.name} {address} with all its items"
        what = whole if item is None else f"the item {item} of the {type_.name} {address}"
        confirm(f"Remove {what} for everyone?", yes)
        with opened(access, type_) as objects:
            if item is None:
                objects.remove(address)
            else:
                objects.items(address).remove(item, if_match)
        show_removal(address if item is None else item)

    return rm


def _ls_with_items(type_: ObjectType) -> click.Command:
    id_name = item_type(type_).id_name

    @click.command(
        "ls",
        cls=Command,
        help=f"List all {type_.plural}, or all items of one {type_.name.upper()}.",
    )
    @click.argument(
        "address", type=Address(type_.name), metavar=f"[{type_.name.upper()}]", required=False
    )
    @click.option("--from", "start", metavar="ITEM", help="The item to begin with.")
    @click.option(
        "--bounds",
        type=click.Choice(["inclusive", "exclusive"]),
        help="Whether the item of --from is listed.",
    )
    @click.option("--order", type=click.Choice(["asc", "desc"]), help="Order of the items.")
    @click.option(
        f"--{id_name}",
        "ids",
        multiple=True,
        help=f"List only the item with this {id_name}; once for each item, up to 256 times.",
    )
    @prefix_option
    @limit_option
    @page_size_option
    @with_access
    def ls(
        access: Access,
        address: str | None,
        *,
        page_size: int,
        limit: int | None,
        prefix: str | None,
        ids: tuple[str, ...],
        **chosen: str | None,
    ) -> None:
        query: dict[str, str | Sequence[str]] = {
            _QUERY[name]: value for name, value in chosen.items() if value is not None
        }
        if ids:
            query[id_name.capitalize()] = ids
        if address is None and query:
            raise click.UsageError(
                f"--from, --bounds, --order and --{id_name} need {type_.name.upper()}."
            )
        size = page_size if limit is None or prefix is not None else min(page_size, limit)
        with opened(access, type_) as objects:
            if address is None:
                found = objects.pages(size, name_query(prefix))
                show_objects(type_.name, limited(found, limit))
                return
            items = objects.items(address)
            if prefix is not None:
                _check_prefix(type_, query)
                show_items(limited(items.with_prefix(prefix, size), limit))
            else:
                show_items(limited(items.pages(size, query), limit))

    return ls


def _check_prefix(type_: ObjectType, query: Mapping[str, object]) -> None:
    """Raise `click.UsageError` where --prefix does not go with the type or the other options."""
    if not item_type(type_).has_chosen_keys:
        raise click.UsageError("--prefix is for keys; the items of a list have indexes.")
    if query:
        raise click.UsageError(
            "--prefix stands alone: without --from, --bounds, --order and --key."
        )


def _ttl_with_items(type_: ObjectType) -> click.Command:
    id_name = item_type(type_).id_name

    @click.command(
        "ttl",
        cls=Command,
        help=f"Set when a {type_.name}, or one of its items, expires: after SECONDS, or never (0).",
    )
    @object_argument(type_)
    @click.argument("seconds", type=int)
    @click.option(f"--{id_name}", "item", type=ItemId(), help=f"The {id_name} of an item.")
    @with_access
    def ttl(access: Access, address: str, seconds: int, item: str | None) -> None:
        with opened(access, type_) as objects:
            if item is None:
                show_resource(objects.set_ttl(address, seconds))
            else:
                show_resource(objects.items(address).set(item, ItemRequest(ttl=seconds)))

    return ttl


_QUERY = {"start": "From", "bounds": "Bounds", "order": "Order"}
"""Parameter of the query by the name of the option's parameter."""
