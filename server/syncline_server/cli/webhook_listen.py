"""`syncline webhooks listen`: shows the events of a service, and passes them on."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from queue import SimpleQueue
from typing import Any

import click

from syncline import JsonObject

from .access import Access
from .access_options import with_owner_service
from .api import http_client
from .help import Command
from .output import show_next, show_text
from .output_format import output_format
from .parameters import HttpUrl
from .rest import Services
from .webhook_receiver import Received, WebhookReceiver
from .webhook_subjects import subject_of

__all__ = ["listen"]


@click.command(
    cls=Command,
    examples=(
        "syncline webhooks listen",
        "syncline webhooks listen --forward-to http://127.0.0.1:3000/sync --from-rest",
        "syncline webhooks listen --address 0.0.0.0:9000 --reached-by http://192.168.1.7:9000",
    ),
)
@click.option(
    "--forward-to",
    type=HttpUrl(),
    help="URL of the application: it gets each event, with the signature for this URL, and its "
    "answer goes to the server.",
)
@click.option(
    "--address",
    default="127.0.0.1:0",
    metavar="HOST:PORT",
    help="Where to listen; port 0 means a free one.",
)
@click.option(
    "--reached-by",
    type=HttpUrl(),
    help="URL by which the server reaches this address, such as that of a tunnel.",
    show_default="the address",
)
@click.option(
    "--from-rest",
    is_flag=True,
    help="Meanwhile send events of writes with Basic credentials too.",
)
@with_owner_service
def listen(
    access: Access,
    *,
    forward_to: str | None,
    address: str,
    reached_by: str | None,
    from_rest: bool,
) -> None:
    """Print a line for each event of a service, and pass it on to an application.

    The webhook URL of the service is set to an address of this machine until you press Ctrl-C; then
    it is what it was before. The receiver that it named gets no events meanwhile. If the command
    is killed, the URL stays: restore it with `syncline services set`, as the first line on stderr
    says.

    The server must be able to reach the address, and be allowed to: for a server on this machine,
    start it with --webhook-networks 127.0.0.0/8. This needs the account's own login, whose auth
    token signs webhooks.
    """
    assert access.basic is not None
    place = _place(address)
    came = SimpleQueue[Received]()
    try:
        receiver = WebhookReceiver(place, access.basic[1], forward_to, came.put)
    except OSError as error:
        raise click.UsageError(f"cannot listen on {address}: {error.strerror}.") from None
    if reached_by is not None:
        receiver.reached_by(reached_by)
    with receiver, http_client(access) as http:
        services = Services(http)
        with _sent_to(services, access.service, receiver.url, from_rest=from_rest):
            while True:
                _show(came.get())


@contextmanager
def _sent_to(services: Services, service: str, url: str, *, from_rest: bool) -> Iterator[None]:
    """Send the webhooks of a service to `url`; afterwards as before."""
    before = services.get(service)
    former = before["webhook_url"] or ""
    changed = {"WebhookUrl": url} | ({"WebhooksFromRestEnabled": "true"} if from_rest else {})
    # These signals would end the process without its `finally`.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    try:
        services.set(before["sid"], changed)
        _say_how_to_restore(before, former, from_rest)
        yield
    finally:
        # Only what is still ours: somebody may have set another URL meanwhile.
        if services.get(before["sid"])["webhook_url"] == url:
            rest = str(before["webhooks_from_rest_enabled"]).lower()
            form = {"WebhookUrl": former, "WebhooksFromRestEnabled": rest}
            services.set(before["sid"], form)
            click.echo("the webhook URL is as before", err=True)


def _end(number: int, _: object) -> None:
    sys.exit(128 + number)


def _say_how_to_restore(before: JsonObject, former: str, from_rest: bool) -> None:
    name = before["unique_name"] or before["sid"]
    url = f"--webhook-url {former}" if former else "--no-webhook-url"
    rest = (
        ""
        if not from_rest or before["webhooks_from_rest_enabled"]
        else " --no-webhooks-from-rest-enabled"
    )
    click.echo(
        f"receiving the events of {name}; Ctrl-C ends it. If this command is killed: "
        f"syncline services set {before['sid']} {url}{rest}",
        err=True,
    )
    if not (from_rest or before["webhooks_from_rest_enabled"]):
        click.echo("writes with Basic credentials send no events: --from-rest lets them", err=True)


def _place(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise click.UsageError(f"--address must be HOST:PORT, not {address}.")
    return host.strip("[]"), int(port)


def _show(received: Received) -> None:
    form = received.form
    event, of = form.get("EventType", "?"), subject_of(form)
    if output_format() == "table":
        result = received.reason or f"{received.status} ({received.seconds * 1000:.0f} ms)"
        style = "" if 200 <= received.status < 300 else "bold red"
        show_text(f"{datetime.now():%H:%M:%S} {event} {of} → {result}", style)
        return
    body: dict[str, Any] = {"event": event, "of": of, "status": received.status}
    show_next(body | {"reason": received.reason, "parameters": dict(form)})
