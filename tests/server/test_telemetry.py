from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client import CONTENT_TYPE_LATEST
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST as OPEN_METRICS

from support.metrics import Scrape
from syncline_server.gathering import Gathering
from syncline_server.metrics import BOUNDS, WIRES, Gauges, Load, Meters
from syncline_server.telemetry import Telemetry, encode

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"


async def test_every_name_is_documented() -> None:
    loads = [Load("native", 1, 2, 3), Load("native", 1, 2, 3), Load("sse", 4, 0, 5)]
    meters = Meters()
    meters.wires["twilsock"].refused[20404] += 1
    telemetry = Telemetry(meters, 7, lambda: Gauges(loads, True, 6, 0.25, False, 0.5))
    families = await Gathering(telemetry, 8, None).families()
    look = Scrape(encode(families, None)[0].decode())
    assert look.value("syncline_in_flight_requests", wire="native") == 4
    assert look.value("syncline_outbox_bytes", wire="sse") == 5
    assert look.value("syncline_feed_live") == 0
    assert look.value("syncline_redis_pending_commands") == 6
    assert look.value("syncline_refused_requests_total", wire="twilsock", code="20404") == 1
    assert set(look.labels("worker")) == {"7"}
    assert set(look.labels("bound")) - {""} == set(BOUNDS)
    assert set(look.labels("wire")) - {""} == set(WIRES)
    documented = set(re.findall(r"`(syncline_\w+)`", OPERATIONS.read_text()))
    own = [family for family in look.families if family.name.startswith("syncline_")]
    suffixes = {"counter": "_total", "info": "_info"}
    assert {family.name + suffixes.get(family.type, "") for family in own} == documented


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, CONTENT_TYPE_LATEST),
        ("*/*", CONTENT_TYPE_LATEST),
        ("text/plain;version=0.0.4", CONTENT_TYPE_LATEST),
        ("application/openmetrics-text;version=1.0.0,text/plain;q=0.5", OPEN_METRICS),
        ("application/openmetrics-text; version=nonsense", OPEN_METRICS),
    ],
)
def test_the_format_is_the_one_that_is_asked_for(accept: str | None, media_type: str) -> None:
    text, told = encode([], accept)
    assert told == media_type
    assert text == (b"# EOF\n" if media_type == OPEN_METRICS else b"")
