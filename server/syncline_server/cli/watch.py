"""`syncline doc watch`: prints a document, then each change."""

from __future__ import annotations

import asyncio
from ssl import SSLContext
from typing import Any

import click

from syncline import (
    ConnectionState,
    Document,
    DocumentEvent,
    Snapshot,
    StateChanged,
    Token,
    Updated,
    connect,
)

from .failures import printable
from .output import FIELDS, show_event

__all__ = ["full_option", "watch_document"]

full_option = click.option(
    "--full", is_flag=True, help="Print all properties at each event, not only what has changed."
)

OPEN_TIMEOUT = 10
"""Seconds for the first connection; short, because a person waits for it."""


def watch_document(
    url: str, token: Token, address: str, tls: SSLContext | None = None, *, full: bool = False
) -> None:
    """Print a document and its changes until it is removed.

    Args:
        tls: verifies the server's certificate; None trusts the authorities that the system trusts.
        full: print all properties in a table, not only what has changed.

    Raises:
        syncline.SynclineError: as `connect` and `Client.document`, and the error that permanently
            ended the connection.
    """
    asyncio.run(_watch(url, token, address, tls, full=full))


async def _watch(
    url: str, token: Token, address: str, tls: SSLContext | None, *, full: bool
) -> None:
    async with connect(url, token=token, ssl=tls, open_timeout=OPEN_TIMEOUT) as client:
        document = await client.document(address, mode="open_existing")
        # Subscribe before the next await: an event that arrives in between would be missed.
        events = document.events()
        client.on("state", _report_connection)
        show_event("state", _body(document), full=full)
        async for event in events:
            show_event(event.name, _event(event), event.previous.data, full=full)


def _report_connection(change: StateChanged) -> None:
    """Report a lost connection on stderr, so that stdout holds only the document."""
    if change.state is ConnectionState.WAITING:
        reason = f" ({printable(str(change.error))})" if change.error else ""
        click.echo(f"connection lost{reason}; connecting again", err=True)
    elif change.state is ConnectionState.CONNECTED:
        click.echo("connected again", err=True)


def _event(event: DocumentEvent) -> dict[str, Any]:
    if isinstance(event, Updated):
        return _body(event.snapshot) | {"previous_revision": str(event.previous.revision)}
    return {
        "sid": event.sid,
        "unique_name": event.previous.unique_name,
        "revision": event.revision,
        "date_removed": event.date_removed,
        "removed_by": event.removed_by,
        "expired": event.expired,
    }


def _body(source: Document | Snapshot) -> dict[str, Any]:
    return {name: getattr(source, name) for name in FIELDS} | {"revision": str(source.revision)}
