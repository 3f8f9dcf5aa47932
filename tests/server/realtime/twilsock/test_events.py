"""Formats of events: shared by the clients that use one host and one version."""

from __future__ import annotations

import gc

from syncline_server.observability.metrics import Tally
from syncline_server.realtime.twilsock.events import NEWEST_VERSION, VERSIONS, EventFormats

URL = "https://sync.example.com/v3/Services/IS0"


def test_clients_of_one_version_and_host_share_a_format() -> None:
    formats = EventFormats(Tally())
    first = formats.of(NEWEST_VERSION, URL)
    assert formats.of(NEWEST_VERSION, URL) is first
    others = [formats.of(VERSIONS[0], URL), formats.of(NEWEST_VERSION, f"{URL}1")]
    assert all(each.plain is not first.plain for each in others)


def test_a_format_is_kept_only_while_a_client_uses_it() -> None:
    """A client chooses the host, so nothing may stay of it."""
    formats = EventFormats(Tally())
    kept = formats.of(NEWEST_VERSION, URL)
    for n in range(100):
        formats.of(NEWEST_VERSION, f"{URL}{n}")
    gc.collect()
    assert list(formats._formats.values()) == [kept]
