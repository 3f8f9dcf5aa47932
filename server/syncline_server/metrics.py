"""What a process counts of itself, and the names under which Prometheus gets it.

The hot paths add to plain numbers, which are made into samples only when somebody asks.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

__all__ = ["BOUNDS", "WIRES", "Gauges", "Histogram", "Load", "Meters", "Tally", "Telemetry"]

WIRES = ("native", "twilsock", "sse", "rest")

BOUNDS = (
    "max_connections",
    "connect_rate",
    "connection_rate",
    "identity_rate",
    "max_requests",
    "max_in_flight",
    "max_subscriptions",
    "auth_timeout",
    "auth_message_limit",
    "header_timeout",
    "body_timeout",
    "header_limit",
    "url_limit",
    "ping_timeout",
    "output_mark",
    "slow_reader_timeout",
)
"""The settings whose limits are counted when they are hit."""

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper ends of the ranges that times are sorted into; the last one is open."""


class Histogram:
    """How often something took how long."""

    __slots__ = ("_counts", "_sum")

    def __init__(self) -> None:
        self._counts = [0] * (len(SECONDS) + 1)
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        """Count one."""
        self._counts[bisect_left(SECONDS, seconds)] += 1
        self._sum += seconds

    def family(self, name: str, help: str) -> HistogramMetricFamily:
        """As Prometheus has it: each range counts those below it too."""
        buckets, below = list[tuple[str, float]](), 0
        for end, count in zip((*SECONDS, float("inf")), self._counts, strict=True):
            below += count
            buckets.append(("+Inf" if end == float("inf") else str(end), below))
        return HistogramMetricFamily(name, help, buckets, self._sum)


@dataclass(slots=True)
class Tally:
    """What one wire has done since the process began.

    Attributes:
        connections: that were let in.
        requests: that came, also those that were refused.
        refused: how many of them, by `Code`.
        events: that were handed to a connection.
        conflated: events that gave way to a newer one of their document before they were sent.
    """

    connections: int = 0
    requests: int = 0
    events: int = 0
    conflated: int = 0
    refused: Counter[int] = field(default_factory=Counter)


class Meters:
    """All that one process counts.

    Attributes:
        wires: by name, each of `WIRES`.
        bounds: how often each of `BOUNDS` was hit.
        commits: seconds until Redis had answered a write, durability included.
        fan_out: seconds from a commit until its event was handed to all connections here.
        requests: HTTP requests whose reply has not begun.
    """

    def __init__(self) -> None:
        self.wires = {wire: Tally() for wire in WIRES}
        self.bounds = Counter(dict.fromkeys(BOUNDS, 0))
        self.commits = Histogram()
        self.fan_out = Histogram()
        self.requests = 0


class Load(NamedTuple):
    """What one connection holds at the moment; `waiting` are bytes that it has not taken."""

    wire: str
    subscriptions: int
    in_flight: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Gauges:
    """What is looked at rather than counted; times are in seconds."""

    loads: Sequence[Load]
    redis_connected: bool
    redis_round_trip: float
    feed_live: bool
    feed_lag: float


class Telemetry:
    """Everything, in the text format of Prometheus."""

    def __init__(self, meters: Meters, worker: int, look: Callable[[], Gauges]) -> None:
        """`worker`: the number of this process among those that serve together."""
        self._meters = meters
        self._worker = str(worker)
        self._look = look
        self._process = ProcessCollector(registry=None)
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def text(self) -> bytes:
        """For a scrape."""
        return generate_latest(self._registry)

    def describe(self) -> list[Metric]:
        """Nothing: told at registration, it would save looking at everything then."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All families; each sample says which process it is of."""
        for family in self._families():
            family.samples = [
                sample._replace(labels={**sample.labels, "worker": self._worker})
                for sample in family.samples
            ]
            yield family

    def _families(self) -> Iterator[Metric]:
        gauges, meters = self._look(), self._meters
        yield from _connections(gauges.loads, meters.requests)
        yield from _traffic(meters)
        yield _gauge("redis_connected", "1 while Redis can be asked.", gauges.redis_connected)
        yield _gauge(
            "redis_round_trip_seconds",
            "What Redis took for its last probe; of the slowest shard.",
            gauges.redis_round_trip,
        )
        yield _gauge("feed_live", "1 while events come from Redis.", gauges.feed_live)
        yield _gauge(
            "feed_lag_seconds",
            "What the last probe took through Redis and back; of the slowest shard.",
            gauges.feed_lag,
        )
        yield meters.commits.family(
            "syncline_commit_seconds", "Until Redis had answered a write, durability included."
        )
        yield meters.fan_out.family(
            "syncline_fan_out_seconds",
            "From a commit until its event was handed to every connection here.",
        )
        yield from self._process.collect()


def _connections(loads: Sequence[Load], requests: int) -> Iterator[Metric]:
    connections = _gauges("connections", "Sockets and event streams that are open.")
    subscriptions = _gauges("subscriptions", "Documents that connections hold open.")
    in_flight = _gauges("in_flight_requests", "Requests that are being carried out.")
    waiting = _gauges("outbox_bytes", "Bytes that wait for readers, the kernel's not counted.")
    for wire in WIRES[:-1]:
        own = [load for load in loads if load.wire == wire]
        connections.add_metric([wire], len(own))
        subscriptions.add_metric([wire], sum(load.subscriptions for load in own))
        in_flight.add_metric([wire], sum(load.in_flight for load in own))
        waiting.add_metric([wire], sum(load.waiting for load in own))
    in_flight.add_metric(["rest"], requests)
    yield from (connections, subscriptions, in_flight, waiting)


def _traffic(meters: Meters) -> Iterator[Metric]:
    accepted = _counters("accepted_connections", "Sockets and event streams let in.")
    requests = _counters("requests", "Requests that came in, the refused ones too.")
    events = _counters("events", "Events handed to connections.")
    conflated = _counters("conflated_events", "Events that gave way to a newer one unsent.")
    refused = _counters("refused_requests", "Requests that were refused, by error code.", "code")
    for wire, tally in meters.wires.items():
        accepted.add_metric([wire], tally.connections)
        requests.add_metric([wire], tally.requests)
        events.add_metric([wire], tally.events)
        conflated.add_metric([wire], tally.conflated)
        for code, count in sorted(tally.refused.items()):
            refused.add_metric([wire, str(code)], count)
    yield from (accepted, requests, events, conflated, refused)
    hits = CounterMetricFamily(
        "syncline_bound_hits", "How often a limit was hit, by its setting.", labels=["bound"]
    )
    for bound, count in meters.bounds.items():
        hits.add_metric([bound], count)
    yield hits


def _gauge(name: str, help: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"syncline_{name}", help, value)


def _gauges(name: str, help: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"syncline_{name}", help, labels=["wire"])


def _counters(name: str, help: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(f"syncline_{name}", help, labels=["wire", *labels])
