"""`syncline webhooks`: parked webhooks; and, from other files, `listen` and `trigger`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import quote

import click
import httpx2

from .access import Access
from .access_options import with_account_login
from .api import Collection, http_client
from .help import Group
from .listings import limit_option, limited
from .output import show_counts, show_pages
from .questions import confirm, yes_option
from .webhook_listen import listen
from .webhook_subjects import subject_of
from .webhook_trigger import trigger

__all__ = ["webhooks"]

PAGE_SIZE = 100


class ParkedWebhooks(Collection):
    """The parked webhooks of one service, over REST."""

    def __init__(self, http: httpx2.Client, service: str) -> None:
        path = f"v1/Services/{quote(service, safe='')}/ParkedWebhooks"
        super().__init__(http, path, "parked_webhooks")

    def replay(self, webhook: str) -> None:
        """Queue a parked webhook for delivery again."""
        self._call("POST", f"{self._path_of(webhook)}/Replay")

    def drop(self, webhook: str) -> None:
        """Delete a parked webhook."""
        self._call("DELETE", self._path_of(webhook))


@click.group(
    cls=Group,
    examples=(
        "syncline webhooks listen --forward-to http://127.0.0.1:3000/sync",
        "syncline webhooks trigger document_updated http://127.0.0.1:3000/sync",
        "syncline webhooks list",
        "syncline webhooks replay --all",
    ),
)
def webhooks() -> None:
    """Receive or test webhooks; list, replay or delete those that are parked.

    A webhook is parked when its delivery was given up. The server and the credentials are
    found as for `syncline doc`; tokens are not accepted.
    """


webhooks.add_command(listen)
webhooks.add_command(trigger)


@webhooks.command("list")
@limit_option
@with_account_login
def list_(access: Access, limit: int | None) -> None:
    """List parked webhooks, the oldest first."""
    with _parked(access) as parked:
        show_pages(_COLUMNS, limited(parked.pages(PAGE_SIZE), limit))


ids_argument = click.argument("ids", metavar="[ID]...", nargs=-1)
all_option = click.option("--all", "every", is_flag=True, help="All webhooks that are parked now.")


@webhooks.command()
@ids_argument
@all_option
@with_account_login
def replay(access: Access, ids: tuple[str, ...], every: bool) -> None:
    """Queue parked webhooks for delivery again, after those that are already waiting."""
    with _parked(access) as parked:
        show_counts({"queued": _each(parked.replay, _chosen(parked, ids, every))})


@webhooks.command()
@ids_argument
@all_option
@yes_option
@with_account_login
def drop(access: Access, ids: tuple[str, ...], every: bool, yes: bool) -> None:
    """Delete parked webhooks permanently."""
    with _parked(access) as parked:
        chosen = _chosen(parked, ids, every)
        confirm(f"Delete {len(chosen)} parked webhook{'' if len(chosen) == 1 else 's'}?", yes)
        show_counts({"dropped": _each(parked.drop, chosen)})


@contextmanager
def _parked(access: Access) -> Iterator[ParkedWebhooks]:
    with http_client(access) as http:
        yield ParkedWebhooks(http, access.service)


def _chosen(parked: ParkedWebhooks, ids: tuple[str, ...], every: bool) -> list[str]:
    """Ids of the chosen webhooks.

    All ids are listed before any webhook is replayed, because one that fails is parked again.
    """
    if bool(ids) is every:
        raise click.UsageError("give the ids of webhooks, or --all.")
    return [w["id"] for page in parked.pages(PAGE_SIZE) for w in page] if every else list(ids)


def _each(change: Callable[[str], None], ids: list[str]) -> int:
    for webhook in ids:
        change(webhook)
    return len(ids)


_COLUMNS = {
    "id": lambda webhook: webhook["id"],
    "event": lambda webhook: webhook["event_type"],
    "of": lambda webhook: subject_of(webhook["parameters"]),
    "happened": lambda webhook: webhook["date_created"],
    "attempts": lambda webhook: str(webhook["attempts"]),
    "reason": lambda webhook: webhook["reason"],
}
"""Columns of the listing of parked webhooks."""
