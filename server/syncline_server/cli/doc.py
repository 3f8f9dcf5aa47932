"""`syncline doc`: read and write documents from a terminal or a script."""

from __future__ import annotations

import click

from syncline import JsonObject
from syncline.encoding import encode, pointer_to

from .access import Access
from .access_options import with_access
from .options import EXIT_STATUSES, page_size_option
from .output import show_document, show_documents, show_removal
from .parameters import Address, JsonData, check_set
from .rest import open_documents
from .watch import watch_document

__all__ = ["doc"]


@click.group(epilog=EXIT_STATUSES)
def doc() -> None:
    """Read, write and watch the documents of any server.

    On a terminal the output is formatted; in a pipe it is one JSON object a line.

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
@if_match_option
@with_access
def rm(access: Access, name: str, if_match: str | None) -> None:
    """Remove a document for everyone."""
    with open_documents(access) as documents:
        documents.remove(name, if_match)
    show_removal(name)


@doc.command()
@page_size_option
@with_access
def ls(access: Access, page_size: int) -> None:
    """List all documents."""
    with open_documents(access) as documents:
        show_documents(documents.pages(page_size))


@doc.command()
@name_argument
@with_access
def watch(access: Access, name: str) -> None:
    """Print a document, then each change, until the document is removed or you press Ctrl-C.

    If the connection is lost, the command reconnects and reports it on stderr.
    """
    if access.token is None:
        raise click.UsageError(
            "watch needs a token, or SYNCLINE_ACCOUNT_SID with SYNCLINE_API_KEY_SID and "
            "SYNCLINE_API_KEY_SECRET to make one."
        )
    watch_document(access.url, access.token, name, access.tls)
