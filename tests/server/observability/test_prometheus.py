from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST as OPEN_METRICS

from support.metrics import Scrape
from syncline_server.observability.metrics import WIRES, Gauges, Limit, Load, Meters
from syncline_server.observability.prometheus import ProcessMetrics, encode
from syncline_server.observability.worker_metrics import WorkerMetrics

OPERATIONS = Path(__file__).parents[3] / "docs" / "operations.md"


@pytest.fixture
async def scrape() -> Scrape:
    """The metrics of a process that has counted something of everything."""
    loads = [Load("native", 1, 2, 3), Load("native", 1, 2, 3), Load("sse", 4, 0, 5)]
    meters = Meters()
    meters.wires["twilsock"].refused[20404] += 1

    async def collect_gauges() -> Gauges:
        return Gauges(
            loads=loads,
            redis_connected=True,
            redis_pending=6,
            redis_round_trip=0.25,
            feed_live=False,
            feed_lag=0.5,
            disk_free=7,
        )

    families = await WorkerMetrics(ProcessMetrics(meters, 7, collect_gauges), 8, None).families()
    return Scrape(encode(families, None)[0].decode())


def own_families(scraped: Scrape) -> dict[str, Metric]:
    """Those of Syncline, by the name that samples have, but for `_bucket` and the like."""
    suffixes = {"counter": "_total", "info": "_info"}
    own = [family for family in scraped.families if family.name.startswith("syncline_")]
    return {family.name + suffixes.get(family.type, ""): family for family in own}


async def test_each_figure_is_what_was_counted_or_seen(scrape: Scrape) -> None:
    assert scrape.value("syncline_connections", wire="native") == 2
    assert scrape.value("syncline_in_flight_requests", wire="native") == 4
    assert scrape.value("syncline_outbox_bytes", wire="sse") == 5
    assert scrape.value("syncline_feed_live") == 0
    assert scrape.value("syncline_redis_pending_commands") == 6
    assert scrape.value("syncline_refused_requests_total", wire="twilsock", code="20404") == 1
    assert set(scrape.labels("worker")) == {"7"}
    assert set(scrape.labels("bound")) - {""} == set(Limit)
    assert set(scrape.labels("wire")) - {""} == set(WIRES)


async def test_every_name_is_documented(scrape: Scrape) -> None:
    documented = set(re.findall(r"`(syncline_\w+)`", OPERATIONS.read_text()))
    assert set(own_families(scrape)) == documented
    of_process = set(re.findall(r"`(process_\w+)`", OPERATIONS.read_text()))
    assert of_process <= {sample.name for sample in scrape.samples}


async def test_every_label_is_documented(scrape: Scrape) -> None:
    rows = re.findall(r"^\| `(syncline_\w+)` \| (.+?) \|", OPERATIONS.read_text(), re.MULTILINE)
    documented = {name: set(re.findall(r"`(\w+)`", cell)) - {"worker"} for name, cell in rows}
    assert documented == {
        name: {label for sample in family.samples for label in sample.labels} - {"worker"}
        for name, family in own_families(scrape).items()
    }


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
    text, scrape = encode([], accept)
    assert scrape == media_type
    assert text == (b"# EOF\n" if media_type == OPEN_METRICS else b"")
