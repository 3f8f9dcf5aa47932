"""`syncline webhooks trigger`: sends a test event to a receiver."""

from __future__ import annotations

import time
import uuid

import click
import httpx2

from syncline import JsonObject
from syncline.encoding import encode
from syncline_protocol.item_types import item_type
from syncline_protocol.objects import TYPES
from syncline_protocol.sids import is_service_sid
from syncline_server.webhooks.events import QueuedEvent
from syncline_server.webhooks.form import parameters

from .access import Access
from .access_options import with_owner_service
from .failures import Exit
from .help import Command
from .output import show_resource
from .parameters import HttpUrl, Identity, JsonData
from .webhook_receiver import FORWARD_TIMEOUT, TOKEN_HEADER, signed_post

__all__ = ["EVENTS", "trigger"]

_TYPES = {type_.name: type_ for type_ in TYPES}

EVENTS = (
    "document_created",
    "document_updated",
    "document_removed",
    *(f"{name}_{verb}" for name in ("list", "map", "stream") for verb in ("created", "removed")),
    *(
        f"{name}_item_{verb}"
        for name in ("list", "map")
        for verb in ("added", "updated", "removed")
    ),
    "endpoint_connected",
    "endpoint_disconnected",
)
"""Types of events."""


@click.command(
    cls=Command,
    examples=(
        "syncline webhooks trigger document_updated http://127.0.0.1:3000/sync",
        """syncline webhooks trigger map_item_added https://app.example.com/sync --item alice""",
    ),
)
@click.argument("event", type=click.Choice(EVENTS), metavar="EVENT")
@click.argument("target", type=HttpUrl(), metavar="URL")
@click.option("--name", default="test", help="Unique name of the object.")
@click.option("--item", help="Key or index of the item.", show_default="0")
@click.option("--data", type=JsonData(), default='{"test": true}', help="Data, as a JSON object.")
@click.option("--by", type=Identity(), default="test", help="Identity that made the change.")
@with_owner_service
def trigger(
    access: Access,
    event: str,
    *,
    target: str,
    name: str,
    item: str | None,
    data: JsonObject,
    by: str,
) -> None:
    """Send a test event to URL, from here, and print the answer.

    EVENT is the type of the event, such as document_updated; a wrong one is answered with all
    types. The signature is the one that the server would make: it needs the account's own login.
    The server is not asked, and nothing is stored or changed.

    The exit status is 0 if the answer is 2xx, 1 if it is another, and 3 if there is none.
    """
    assert access.basic is not None
    account, auth_token = access.basic
    service = access.service if is_service_sid(access.service) else f"IS{'0' * 32}"
    form = parameters(_event(event, name, item, data, by), account, service)
    headers = {TOKEN_HEADER: uuid.uuid4().hex}
    began = time.monotonic()
    with httpx2.Client(timeout=FORWARD_TIMEOUT, verify=access.tls or True) as http:
        reply = signed_post(http, target, auth_token, form, headers)
    spent = round((time.monotonic() - began) * 1000)
    show_resource(
        {"event": event, "url": target, "status": reply.status_code, "milliseconds": spent}
    )
    if not reply.is_success:
        raise click.exceptions.Exit(Exit.REFUSED)


def _event(kind: str, name: str, item: str | None, data: JsonObject, by: str) -> QueuedEvent:
    type_ = _TYPES.get(kind.partition("_")[0])
    now = round(time.time() * 1000)
    if type_ is None:
        return QueuedEvent(id=f"{now}-0", bucket="00", kind=kind, subject=by, identity=by)
    of_item = "_item_" in kind
    revision = str(now * 1024)
    with_data = of_item or kind in ("document_created", "document_updated")
    return QueuedEvent(
        id=f"{now}-0",
        bucket="00",
        kind=kind,
        subject=f"{type_.prefix}{uuid.uuid4().hex}",
        identity=by,
        name=name,
        revision=revision,
        data=encode(data).decode() if with_data else None,
        item_key=_item_key(kind, item) if of_item else None,
        item_revision=revision if of_item else None,
    )


def _item_key(kind: str, item: str | None) -> str:
    """The item as it is stored."""
    items = item_type(_TYPES[kind.partition("_")[0]])
    if items.has_chosen_keys:
        return item or "0"
    if item is not None and not item.isdecimal():
        raise click.UsageError("--item must be an index, a number, for the items of a list.")
    return items.parse_id(int(item or 0))
