"""The commands that write items: set, update, patch and increment, for lists and maps."""

from __future__ import annotations

from typing import Any

import click

from syncline import JsonObject
from syncline.encoding import encode, pointer_to
from syncline_protocol.objects import ObjectType

from .access import Access
from .access_options import with_access
from .help import Command
from .object_rest import ItemRequest
from .objects import if_match_option, item_ttl_option, object_argument, opened_items
from .output import show_resource
from .parameters import ItemId, JsonData, Number, PatchData, check_set
from .patch import Patch

__all__ = [
    "NEGATIVE_NUMBERS",
    "increment_command",
    "patch_command",
    "set_command",
    "update_command",
]

NEGATIVE_NUMBERS = {"ignore_unknown_options": True}
"""Context settings that let -1 be an argument, not an option."""


def set_command(type_: ObjectType, item_name: str) -> click.Command:
    """`set`, for a type whose items are named `item_name`: it changes an item that exists."""

    @click.command("set", cls=Command)
    @object_argument(type_)
    @click.argument("item", type=ItemId(), metavar=item_name)
    @click.argument("data", type=JsonData(), metavar="[JSON]", required=False)
    @item_ttl_option
    @if_match_option
    @with_access
    def set_(
        access: Access,
        address: str,
        *,
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

    @click.command("update", cls=Command)
    @object_argument(type_)
    @click.argument("item", type=ItemId(), metavar=item_name)
    @click.argument("changes", type=JsonData(), metavar="JSON")
    @item_ttl_option
    @if_match_option
    @with_access
    def update(
        access: Access,
        address: str,
        *,
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


def patch_command(type_: ObjectType, item_name: str) -> click.Command:
    """`patch`, for a type whose items are named `item_name`."""

    @click.command("patch", cls=Command)
    @object_argument(type_)
    @click.argument("item", type=ItemId(), metavar=item_name)
    @click.argument("patch", type=PatchData(), metavar="JSON")
    @item_ttl_option
    @if_match_option
    @with_access
    def apply(
        access: Access,
        address: str,
        *,
        item: str,
        patch: JsonObject | list[Any],
        ttl: int | None,
        if_match: str | None,
    ) -> None:
        """Apply a patch to the newest data of an item.

        JSON is an object, a merge patch (RFC 7396: null removes a key), or an array, a JSON patch
        (RFC 6902); "-" reads it from stdin, "@FILE" from a file.
        """
        request = ItemRequest(ttl=ttl, if_match=if_match)
        with opened_items(access, type_, address) as items:
            show_resource(items.patch(item, Patch.of(patch), request))

    return apply


def increment_command(type_: ObjectType, item_name: str) -> click.Command:
    """`increment`, for a type whose items are named `item_name`."""

    @click.command("increment", cls=Command, context_settings=NEGATIVE_NUMBERS)
    @object_argument(type_)
    @click.argument("item", type=ItemId(), metavar=item_name)
    @click.argument("place", metavar="MEMBER")
    @click.argument("by", type=Number(), default=1)
    @item_ttl_option
    @with_access
    def increment(
        access: Access, address: str, *, item: str, place: str, by: int | float, ttl: int | None
    ) -> None:
        """Add BY to a number in an item's data, without a conflict with other writers.

        MEMBER is a top-level key of the data, or a JSON pointer such as /teams/0/score. A missing
        number counts as 0.
        """
        with opened_items(access, type_, address) as items:
            written = items.patch(item, Patch.increment(place, by), ItemRequest(ttl=ttl))
            show_resource(written)

    return increment
