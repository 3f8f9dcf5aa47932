"""`syncline doc`: read and write documents from a terminal or a script."""

from __future__ import annotations

from typing import Any

import click

from syncline import JsonObject
from syncline.encoding import encode, pointer_to

from .access import Access
from .access_options import with_access
from .help import Group
from .item_commands import NEGATIVE_NUMBERS
from .listings import limit_option, limited, name_query, prefix_option
from .options import page_size_option
from .output import show_document, show_documents, show_removal
from .parameters import Address, JsonData, Number, PatchData, check_set
from .patch import Patch
from .questions import confirm, yes_option
from .rest import open_documents
from .watch import full_option, watch_document

__all__ = ["doc"]


@click.group(
    cls=Group,
    examples=(
        """syncline doc set lobby '{"players": 1}'""",
        "syncline doc increment lobby players",
        """syncline doc patch lobby '[{"op": "remove", "path": "/map"}]'""",
        "syncline doc ls --prefix game/ --limit 20 -o table",
        "syncline doc watch lobby",
    ),
)
def doc() -> None:
    """Read, write and watch the documents of any server.

    Credentials are the first of these that are set: --token; the variables SYNCLINE_ACCOUNT_SID
    with SYNCLINE_API_KEY_SID and SYNCLINE_API_KEY_SECRET, which sign a short-lived token;
    SYNCLINE_ACCOUNT_SID with SYNCLINE_AUTH_TOKEN, or the API key alone, as a Basic login; the data
    directory of a server on this machine.
    """


name_argument = click.argument("name", type=Address())
ttl_option = click.option(
    "--ttl",
    type=int,
    help="Seconds to live from now on; 0 means no expiry. Without it, the expiry stays unchanged.",
)
if_match_option = click.option(
    "--if-match", metavar="REVISION", help="Write only if the document has this revision."
)


@doc.command()
@name_argument
@with_access
def get(access: Access, name: str) -> None:
    """Print a document."""
    with open_documents(access) as documents:
        show_document(documents.get(name))


@doc.command("set")
@name_argument
@click.argument("data", type=JsonData(), metavar="[JSON]", required=False)
@ttl_option
@if_match_option
@click.option(
    "--create/--no-create",
    default=None,
    show_default="create, unless --if-match or a SID is given",
    help="What to do if the document does not exist.",
)
@with_access
def set_(
    access: Access,
    name: str,
    *,
    data: JsonObject | None,
    ttl: int | None,
    if_match: str | None,
    create: bool | None,
) -> None:
    """Replace a document's data, or create the document.

    JSON is an object; "-" reads it from stdin, "@FILE" from a file. Without JSON, --ttl changes
    only the expiry.
    """
    check_set(data, ttl, if_match, create=create)
    text = None if data is None else encode(data)
    with open_documents(access) as documents:
        if text is None or if_match is not None or create is False:
            written = documents.set(name, text, ttl, if_match)
        else:
            written = documents.set_or_create(name, text, ttl)
        show_document(written)


@doc.command()
@name_argument
@click.argument("changes", type=JsonData(), metavar="JSON")
@ttl_option
@if_match_option
@with_access
def update(
    access: Access, name: str, *, changes: JsonObject, ttl: int | None, if_match: str | None
) -> None:
    """Set some top-level keys and leave the others unchanged.

    JSON is an object with the keys to set; "-" reads it from stdin, "@FILE" from a file.
    """
    operations = [
        {"op": "add", "path": pointer_to(key), "value": value} for key, value in changes.items()
    ]
    with open_documents(access) as documents:
        show_document(documents.update(name, operations, ttl, if_match))


@doc.command()
@name_argument
@click.argument("patch", type=PatchData(), metavar="JSON")
@ttl_option
@if_match_option
@with_access
def patch(
    access: Access,
    name: str,
    *,
    patch: JsonObject | list[Any],
    ttl: int | None,
    if_match: str | None,
) -> None:
    """Apply a patch to the newest data.

    JSON is an object, a merge patch (RFC 7396: null removes a key), or an array, a JSON patch (RFC
    6902); "-" reads it from stdin, "@FILE" from a file.
    """
    with open_documents(access) as documents:
        show_document(documents.patch(name, Patch.of(patch), ttl, if_match))


@doc.command(context_settings=NEGATIVE_NUMBERS)
@name_argument
@click.argument("place", metavar="MEMBER")
@click.argument("by", type=Number(), default=1)
@ttl_option
@with_access
def increment(access: Access, name: str, *, place: str, by: int | float, ttl: int | None) -> None:
    """Add BY to a number, without a conflict with other writers.

    MEMBER is a top-level key, or a JSON pointer such as /teams/0/score. A missing number counts as
    0.
    """
    with open_documents(access) as documents:
        show_document(documents.patch(name, Patch.increment(place, by), ttl))


@doc.command()
@name_argument
@click.argument("seconds", type=int)
@with_access
def ttl(access: Access, name: str, seconds: int) -> None:
    """Set when a document expires: after SECONDS, or never (0)."""
    with open_documents(access) as documents:
        show_document(documents.set(name, None, seconds, None))


@doc.command()
@click.argument("name", type=Address(), required=False)
@click.option("--data", type=JsonData(), default="{}", metavar="JSON", help='As JSON of "set".')
@click.option("--ttl", type=int, help="Seconds until the document expires; 0 means never.")
@with_access
def create(access: Access, name: str | None, data: JsonObject, ttl: int | None) -> None:
    """Create a document; refused if the name is taken. Without a name it has only its SID."""
    with open_documents(access) as documents:
        show_document(documents.create(name, encode(data), ttl))


@doc.command()
@name_argument
@if_match_option
@yes_option
@with_access
def rm(access: Access, name: str, if_match: str | None, yes: bool) -> None:
    """Remove a document for everyone."""
    confirm(f"Remove the document {name} for everyone?", yes)
    with open_documents(access) as documents:
        documents.remove(name, if_match)
    show_removal(name)


@doc.command()
@prefix_option
@limit_option
@page_size_option
@with_access
def ls(access: Access, prefix: str | None, limit: int | None, page_size: int) -> None:
    """List documents, in the order of their SIDs."""
    with open_documents(access) as documents:
        found = documents.pages(page_size, name_query(prefix))
        show_documents(limited(found, limit))


@doc.command()
@name_argument
@full_option
@with_access
def watch(access: Access, name: str, full: bool) -> None:
    """Print a document, then each change, until the document is removed or you press Ctrl-C.

    A table has one line for each event, with what has changed; JSON and YAML have the whole
    document in each event.

    If the connection is lost, the command reconnects and reports it on stderr.
    """
    if access.token is None:
        raise click.UsageError(
            "watch needs a token, or SYNCLINE_ACCOUNT_SID with SYNCLINE_API_KEY_SID and "
            "SYNCLINE_API_KEY_SECRET to make one."
        )
    watch_document(access.url, access.token, name, access.tls, full=full)
