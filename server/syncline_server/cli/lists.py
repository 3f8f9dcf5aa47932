"""`syncline list`: read and write lists from a terminal or a script."""

from __future__ import annotations

import click

from syncline import JsonObject
from syncline.encoding import encode
from syncline_protocol.objects import LIST

from .access import Access
from .access_options import with_access
from .item_batch import batch_command
from .item_commands import increment_command, patch_command, set_command, update_command
from .object_rest import ItemRequest
from .objects import item_ttl_option, object_argument, object_group, opened_items
from .output import show_resource
from .parameters import JsonData

__all__ = ["list_"]

list_ = object_group(
    LIST,
    "Read and write the lists of any server.",
    (
        "syncline list create tasks",
        """syncline list push tasks '{"do": "sweep"}'""",
        "syncline list ls tasks --order desc --limit 10",
        "syncline list batch tasks changes.jsonl",
        "syncline list watch tasks",
    ),
)
for command in (
    set_command(LIST, "INDEX"),
    update_command(LIST, "INDEX"),
    patch_command(LIST, "INDEX"),
    increment_command(LIST, "INDEX"),
    batch_command(LIST, "index", "add, update or remove"),
):
    list_.add_command(command)


@list_.command()
@object_argument(LIST)
@click.argument("data", type=JsonData(), metavar="JSON")
@item_ttl_option
@with_access
def push(access: Access, address: str, data: JsonObject, ttl: int | None) -> None:
    """Append an item to a list and print it with its index.

    JSON is an object; "-" reads it from stdin, "@FILE" from a file.
    """
    with opened_items(access, LIST, address) as items:
        show_resource(items.add(ItemRequest(data=encode(data), ttl=ttl)))


list_.add_command(push, "add")
