"""Reads the metrics of a server, as Prometheus does."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from support.limits import WAIT_LIMIT
from support.server import RunningServer

__all__ = ["Scrape", "hits", "hits_reach", "scrape"]


class Scrape:
    """The samples of one scrape."""

    def __init__(self, text: str) -> None:
        self.families = list(text_string_to_metric_families(text))
        self.samples = [sample for family in self.families for sample in family.samples]

    def value(self, name: str, **labels: str) -> float:
        """The value of the only sample that has these labels; it may have others too."""
        [value] = [
            sample.value
            for sample in self.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]
        return float(value)

    def total(self, name: str, **labels: str) -> float:
        """The sum of all samples that have these labels; 0 if there are none."""
        return float(
            sum(
                sample.value
                for sample in self.samples
                if sample.name == name and labels.items() <= sample.labels.items()
            )
        )

    def labels(self, name: str) -> Iterable[str]:
        """The value of a label in every sample; "" where a sample lacks the label."""
        return [sample.labels.get(name, "") for sample in self.samples]


def scrape(server: RunningServer) -> Scrape:
    """Fetch and parse the metrics once."""
    reply = httpx2.get(f"{server.url}/metrics")
    assert reply.status_code == 200, reply.text
    return Scrape(reply.text)


def hits(server: RunningServer, bound: str) -> float:
    """Number of times that a limit was hit."""
    return scrape(server).value("syncline_bound_hits_total", bound=bound)


async def hits_reach(server: RunningServer, bound: str, count: int) -> None:
    """Return when a limit was hit `count` times; polls, because no event reports it."""
    async with asyncio.timeout(WAIT_LIMIT):
        while hits(server, bound) < count:
            await asyncio.sleep(0.05)
