"""The commands that write items: set, update, and the adding of items, for lists and maps."""

from __future__ import annotations

import click

from syncline import JsonObject
from syncline.encoding import encode, pointer_to
from syncline_protocol.objects import ObjectType

from .access import Access
from .access_options import with_access
from .object_rest import ItemRequest
from .objects import if_match_option, item_ttl_option, object_argument, opened_items
from .output import show_resource
from .parameters import ItemId, JsonData, check_set

__all__ = ["set_command", "update_command"]


def set_command(type_: ObjectType, item_name: str) -> click.Command:
    """`set`, for a type whose items are named `item_name`: it changes an item that exists."""

    @click.command("set")
    @object_argument(type_)
    @click.argument("item", type=ItemId(), metavar=item_name)
    @click.argument("data", type=JsonData(), metavar="[JSON]", required=False)
    @item_ttl_option
    @if_match_option
    @with_access
    def set_(
        access: Access,
        address: str,
        item: str,
        data: JsonObject | None,
        ttl: int | None,
        if_match: str | None,
    ) -> None:
        """Replace the data of an item that exists.

        JSON is an object; "-" reads it from stdin, "@FILE" from a file. Without JSON, --ttl changes
        only the expiry; without --ttl, the expiry stays unchanged.
        """
        check_set(data, ttl, if_match)
        text = None if data is None else encode(data)
        with opened_items(access, type_, address) as items:
            show_resource(items.set(item, ItemRequest(data=text, ttl=ttl, if_match=if_match)))

    return set_


def update_command(type_: ObjectType, item_name: str) -> click.Command:
    """`update`, for a type whose items are named `item_name`."""

    @click.command("update")
    @object_argument(type_)
    @click.argument("item", type=ItemId(), metavar=item_name)
    @click.argument("changes", type=JsonData(), metavar="JSON")
    @item_ttl_option
    @if_match_option
    @with_access
    def update(
        access: Access,
        address: str,
        item: str,
        changes: JsonObject,
        ttl: int | None,
        if_match: str | None,
    ) -> None:
        """Set some top-level keys of an item's data and leave the others unchanged.

        JSON is an object with the keys to set; "-" reads it from stdin, "@FILE" from a file.
        """
        operations: list[JsonObject] = [
            {"op": "add", "path": pointer_to(key), "value": value} for key, value in changes.items()
        ]
        request = ItemRequest(ttl=ttl, if_match=if_match)
        with opened_items(access, type_, address) as items:
            show_resource(items.update(item, operations, request))

    return update
