"""`syncline map`: read and write maps from a terminal or a script."""

from __future__ import annotations

import click

from syncline import JsonObject
from syncline.encoding import encode
from syncline_protocol.objects import MAP

from .access import Access
from .access_options import with_access
from .item_batch import batch_command
from .item_commands import increment_command, patch_command, update_command
from .object_rest import ItemRequest
from .objects import (
    if_match_option,
    item_ttl_option,
    object_argument,
    object_group,
    opened_items,
)
from .output import show_resource
from .parameters import ItemId, JsonData, check_set

__all__ = ["map_"]

map_ = object_group(
    MAP,
    "Read and write the maps of any server.",
    (
        "syncline map create players --ttl 3600",
        """syncline map set players alice '{"score": 1}'""",
        "syncline map increment players alice score 5",
        "syncline map ls players --prefix a --limit 10",
        "syncline map batch players changes.jsonl",
        "syncline map watch players --prefix a",
    ),
)
for command in (
    update_command(MAP, "KEY"),
    patch_command(MAP, "KEY"),
    increment_command(MAP, "KEY"),
    batch_command(MAP, "key", "add, put, update or remove"),
):
    map_.add_command(command)

key_argument = click.argument("key", type=ItemId())


@map_.command()
@object_argument(MAP)
@key_argument
@click.argument("data", type=JsonData(), metavar="JSON")
@item_ttl_option
@with_access
def add(access: Access, address: str, *, key: str, data: JsonObject, ttl: int | None) -> None:
    """Add an item to a map; refused if the map has the key already.

    JSON is an object; "-" reads it from stdin, "@FILE" from a file.
    """
    with opened_items(access, MAP, address) as items:
        show_resource(items.add(ItemRequest(key=key, data=encode(data), ttl=ttl)))


@map_.command("set")
@object_argument(MAP)
@key_argument
@click.argument("data", type=JsonData(), metavar="[JSON]", required=False)
@item_ttl_option
@if_match_option
@click.option(
    "--create/--no-create",
    default=None,
    show_default="create, unless --if-match is given",
    help="What to do if the map does not have the key.",
)
@with_access
def set_(
    access: Access,
    address: str,
    *,
    key: str,
    data: JsonObject | None,
    ttl: int | None,
    if_match: str | None,
    create: bool | None,
) -> None:
    """Replace the data of an item, or add the item. The map must exist.

    JSON is an object; "-" reads it from stdin, "@FILE" from a file. Without JSON, --ttl changes
    only the expiry; without --ttl, the expiry stays unchanged.
    """
    check_set(data, ttl, if_match, create=create)
    request = ItemRequest(data=None if data is None else encode(data), ttl=ttl, if_match=if_match)
    with opened_items(access, MAP, address) as items:
        if data is None or if_match is not None or create is False:
            show_resource(items.set(key, request))
        else:
            written, _ = items.set_or_add(key, request)
            show_resource(written)
