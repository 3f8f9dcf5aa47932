"""The command `batch` of lists and maps: many changes of items in few commits."""

from __future__ import annotations

import uuid
from itertools import islice
from typing import IO, Any

import click

from syncline import JsonObject
from syncline_protocol import jsondata
from syncline_protocol.errors import Refusal
from syncline_protocol.objects import ObjectType

from .access import Access
from .access_options import with_access
from .help import Command
from .object_rest import ITEM_PAGE_SIZE
from .objects import object_argument, opened_items
from .output import show_resource

__all__ = ["batch_command"]


def batch_command(type_: ObjectType, item_name: str, verbs: str) -> click.Command:
    """`batch`, for a type whose items are named `item_name`; `verbs`: its operations."""

    @click.command(
        "batch",
        cls=Command,
        help=f"""Apply the operations in FILE ("-" for stdin) to the items of a {type_.name}.

        FILE has one JSON object a line, or is one JSON array of them: "op" ({verbs}),
        "{item_name}", "data", "ttl", "if_match". Up to 100 operations are one batch, which is
        applied completely or not at all. A larger file is several batches: if one is refused, those
        before it stay applied, and a line on stderr counts their operations.
        """,
    )
    @object_argument(type_)
    @click.argument("file", type=click.File("rb"))
    @with_access
    def batch(access: Access, address: str, file: IO[bytes]) -> None:
        operations = iter(_operations(file.read()))
        applied = 0
        with opened_items(access, type_, address) as items:
            while part := list(islice(operations, ITEM_PAGE_SIZE)):
                try:
                    written = items.batch(part, uuid.uuid4().hex)
                except Exception:
                    if applied:
                        click.echo(f"{applied} operations were applied before", err=True)
                    raise
                applied += len(part)
        if applied:
            show_resource({"applied": applied, "revision": written["revision"]})
        else:
            raise click.UsageError("FILE has no operations.")

    return batch


def _operations(text: bytes) -> list[JsonObject]:
    """The operations in a file. Raises `click.UsageError`; nothing is written before that."""
    lines: list[Any]
    if text.lstrip()[:1] == b"[":
        lines = _parsed(text, "FILE")
    else:
        given = enumerate(text.splitlines(), 1)
        lines = [_parsed(line, f"Line {number}") for number, line in given if line.strip()]
    for number, operation in enumerate(lines, 1):
        if not isinstance(operation, dict):
            raise click.UsageError(f"operation {number} is not a JSON object.")
    return lines


def _parsed(text: bytes, what: str) -> Any:
    try:
        return jsondata.parse(text, what)
    except Refusal as refusal:
        raise click.UsageError(refusal.message) from None
