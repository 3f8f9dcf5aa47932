"""`syncline services`: the services of a server and their settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from .access import Access
from .access_options import with_services_login
from .api import http_client
from .help import Group
from .listings import limit_option, limited, prefix_option, with_prefix
from .options import page_size_option
from .output import show_pages, show_removal, show_resource
from .questions import confirm, yes_option
from .rest import Services

__all__ = ["services"]


@click.group(
    cls=Group,
    examples=(
        "syncline services list",
        "syncline services create --name 'Game servers' --acl-enabled",
        "syncline services set default --webhook-url https://app.example.com/sync",
        "syncline services set default --no-webhook-url",
    ),
)
def services() -> None:
    """List, create, change and delete services: spaces of objects that are apart from each other.

    This needs the account's login or an API key; tokens are not accepted. SERVICE is a SID, or the
    name `default`.
    """


service_argument = click.argument("address", metavar="SERVICE")


def _settings(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options for the settings of a service; values are passed by the names of REST."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def _flag(name: str, help: str) -> Callable[..., Any]:
    return click.option(f"--{name}/--no-{name}", default=None, help=help)


_OPTIONS = (
    click.option("--name", "friendly_name", help='Name for people; "" for none.'),
    click.option("--webhook-url", help="URL that receives the events of the service."),
    click.option(
        "--no-webhook-url", is_flag=True, help="Send no webhooks; those that wait are dropped."
    ),
    _flag("acl-enabled", "Whether identities need permissions for objects."),
    _flag("webhooks-from-rest-enabled", "Whether writes with Basic credentials send webhooks."),
    _flag("reachability-webhooks-enabled", "Whether clients that come and go send webhooks."),
    _flag("reachability-debouncing-enabled", "Whether such a webhook waits for a quick return."),
    click.option(
        "--reachability-debouncing-window",
        type=click.IntRange(1000, 30_000),
        help="How long it waits, in milliseconds.",
    ),
)


@services.command("list")
@prefix_option
@limit_option
@page_size_option
@with_services_login
def list_(access: Access, prefix: str | None, limit: int | None, page_size: int) -> None:
    """List the services."""
    with _opened(access) as opened:
        named = with_prefix(opened.pages(page_size), prefix, "friendly_name")
        show_pages(_COLUMNS, limited(named, limit))


@services.command()
@service_argument
@with_services_login
def get(access: Access, address: str) -> None:
    """Print a service with its settings."""
    with _opened(access) as opened:
        show_resource(opened.get(address))


@services.command()
@click.option("--sid", help="SID of the service: IS and 32 hexadecimal digits; else a random one.")
@_settings
@with_services_login
def create(access: Access, sid: str | None, **settings: Any) -> None:
    """Create a service."""
    form = _form(settings) | ({} if sid is None else {"Sid": sid})
    with _opened(access) as opened:
        show_resource(opened.create(form))


@services.command("set")
@service_argument
@_settings
@with_services_login
def set_(access: Access, address: str, **settings: Any) -> None:
    """Change settings of a service; those that are not named stay."""
    form = _form(settings)
    if not form:
        raise click.UsageError("give the settings to change.")
    with _opened(access) as opened:
        show_resource(opened.set(address, form))


@services.command()
@service_argument
@yes_option
@with_services_login
def delete(access: Access, address: str, yes: bool) -> None:
    """Delete a service with all that it has; clients of the service are disconnected."""
    confirm(f"Delete the service {address} with all its documents, lists, maps and streams?", yes)
    with _opened(access) as opened:
        opened.remove(address)
    show_removal(address, "deleted")


@contextmanager
def _opened(access: Access) -> Iterator[Services]:
    with http_client(access) as http:
        yield Services(http)


def _form(settings: dict[str, Any]) -> dict[str, str]:
    """The parameters of REST. Raises `click.UsageError` if two contradict each other."""
    if settings.pop("no_webhook_url"):
        if settings["webhook_url"] is not None:
            raise click.UsageError("--webhook-url and --no-webhook-url contradict each other.")
        settings["webhook_url"] = ""
    return {
        "".join(word.capitalize() for word in name.split("_")): _text(value)
        for name, value in settings.items()
        if value is not None
    }


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


_COLUMNS: dict[str, Callable[[Any], str]] = {
    "service": lambda service: service["sid"],
    "name": lambda service: service["friendly_name"] or service["unique_name"] or "–",
    "permissions": lambda service: "needed" if service["acl_enabled"] else "not needed",
    "webhooks": lambda service: service["webhook_url"] or "–",
    "created": lambda service: service["date_created"],
}
"""Columns of the listing."""
