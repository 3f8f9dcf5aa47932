"""`syncline status`: whether a server is ready, its version and its figures."""

from __future__ import annotations

from collections import Counter
from typing import Any

import click
import httpx2
from prometheus_client.parser import text_string_to_metric_families

from syncline import ConnectionLost

from .access import Access
from .access_options import with_any_login
from .api import http_client
from .failures import Exit
from .help import Command
from .output import show_resource

__all__ = ["status"]

_FIGURES = {
    "connections": "syncline_connections",
    "subscriptions": "syncline_subscriptions",
    "requests": "syncline_requests_total",
    "refused_requests": "syncline_refused_requests_total",
    "events": "syncline_events_total",
    "webhooks_waiting": "syncline_webhooks_waiting",
    "webhooks_parked": "syncline_webhooks_parked",
}
"""Name of the sample by the name of the figure; samples of several labels are added."""


@click.command(
    cls=Command,
    examples=("syncline status", "syncline status --url https://sync.example.com -o json"),
    epilog="""\b
Exit status:
  0    the server is ready
  1    the server is not ready: the output says what is missing
  2    wrong usage
  3    no connection, or no answer in time
  130  interrupted by Ctrl-C
""",
)
@with_any_login
def status(access: Access) -> None:
    """Say whether a server is ready, with its version and its figures.

    The figures of all workers since their start come from /metrics, which is open to this machine
    and to the account; without them only readiness is shown. No login is needed.
    """
    with http_client(access) as http:
        ready = _answer(http.get("readyz"))
        about = http.get("", headers={"Accept": "application/json"})
        problems = list(ready.get("problems", {}).values())
        found = {
            "status": "not ready" if problems else "ready",
            "version": _json(about).get("version"),
            "url": access.url,
            **({"problems": problems} if problems else {}),
            **{name: ready.get(name) for name in ("feed_lag", "redis_round_trip", "clock_offset")},
            **_figures(http.get("metrics", headers={"Accept": "text/plain"})),
        }
    show_resource(found)
    if problems:
        raise click.exceptions.Exit(Exit.REFUSED)


def _answer(reply: httpx2.Response) -> dict[str, Any]:
    """The figures and problems of /readyz. Raises `ConnectionLost` if they are not Syncline's."""
    body = _json(reply)
    if reply.status_code == 503:
        body = body.get("details") or {}
    if body.get("status") != "ready" and "problems" not in body:
        raise ConnectionLost("the answer does not come from a Syncline server")
    return body


def _json(reply: httpx2.Response) -> dict[str, Any]:
    try:
        body = reply.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _figures(reply: httpx2.Response) -> dict[str, Any]:
    """The figures and the kind of writes; none if the server does not show them to this caller."""
    if reply.status_code != 200:
        return {}
    sums = Counter[str]()
    writes = ""
    for family in text_string_to_metric_families(reply.text):
        for sample in family.samples:
            sums[sample.name] += int(sample.value)
            if sample.name == "syncline_build_info":
                writes = sample.labels.get("direct_writes", "")
    figures: dict[str, Any] = {"direct_writes": writes} if writes else {}
    return figures | {name: sums[sample] for name, sample in _FIGURES.items() if sample in sums}
