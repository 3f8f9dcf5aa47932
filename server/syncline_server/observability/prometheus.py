"""Prometheus metrics: their names, and the text formats."""

from __future__ import annotations

import platform
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from syncline_protocol import __version__

from .metrics import WIRES, Gauges, Load, Meters

__all__ = ["ProcessMetrics", "encode"]

_PYTHON = platform.python_version()


class ProcessMetrics:
    """All counters and gauges of one process as Prometheus metrics.

    Attributes:
        worker: number of this process among the workers, from 0.
    """

    def __init__(
        self, meters: Meters, worker: int, collect_gauges: Callable[[], Awaitable[Gauges]]
    ) -> None:
        self.worker = worker
        self._meters = meters
        self._collect_gauges = collect_gauges
        self._process = ProcessCollector(registry=None)

    async def collect(self) -> list[Metric]:
        """All families, each sample with the label `worker`."""
        families = list(self._families(await self._collect_gauges()))
        for family in families:
            family.samples = [
                sample._replace(labels={**sample.labels, "worker": str(self.worker)})
                for sample in family.samples
            ]
        return families

    def _families(self, gauges: Gauges) -> Iterator[Metric]:
        meters = self._meters
        yield InfoMetricFamily(
            "syncline_build",
            "Versions of the server and of Python, and what writes events: c, python or off.",
            value={
                "version": __version__,
                "python": _PYTHON,
                "direct_writes": meters.direct_writes,
            },
        )
        yield from _connections(gauges.loads, meters.requests)
        yield from _traffic(meters)
        yield from _webhooks(meters)
        yield _gauge("redis_connected", "1 while Redis answers.", gauges.redis_connected)
        yield _gauge(
            "redis_writable",
            "1 if Redis accepted writes at the last probe.",
            gauges.redis_writable,
        )
        if gauges.disk_free is not None:
            yield _gauge(
                "disk_free_bytes",
                "Free space for the embedded Redis at the last check.",
                gauges.disk_free,
            )
            yield _gauge(
                "disk_full",
                "1 while writes are refused because the disk is almost full.",
                gauges.disk_full,
            )
        yield CounterMetricFamily(
            "syncline_disk_refused_writes",
            "Writes that were refused because the disk is almost full.",
            gauges.refused_writes,
        )
        yield _gauge("redis_pending_commands", "Commands without a reply.", gauges.redis_pending)
        yield _gauge(
            "redis_round_trip_seconds",
            "Duration of the last probe of Redis, of the slowest shard.",
            gauges.redis_round_trip,
        )
        yield _gauge("feed_live", "1 while the feed receives events from Redis.", gauges.feed_live)
        yield _gauge(
            "feed_lag_seconds",
            "Time of the last probe event through Redis and back, of the slowest shard.",
            gauges.feed_lag,
        )
        yield _gauge(
            "clock_offset_seconds",
            "Seconds by which this clock is ahead of Redis', of the shard that differs most.",
            gauges.clock_offset,
        )
        yield CounterMetricFamily(
            "syncline_clock_faults",
            "Checks in which the clock differed from Redis' by more than --clock-tolerance.",
            gauges.clock_faults,
        )
        yield CounterMetricFamily(
            "syncline_feed_events", "Events received from Redis.", meters.fan_out.count
        )
        yield CounterMetricFamily(
            "syncline_compared_documents",
            "Documents read again because events may have been missed.",
            meters.compared,
        )
        yield CounterMetricFamily(
            "syncline_reclaimed_entries",
            "Entries of removed objects that this process freed in Redis.",
            meters.reclaimed,
        )
        yield CounterMetricFamily(
            "syncline_file_limit_refusals",
            "Connections that were refused because the limit of open files was reached.",
            meters.refused_for_files,
        )
        restarts = CounterMetricFamily(
            "syncline_worker_restarts",
            "Replacements of the worker with this number, because it hung or had ended.",
            labels=["reason"],
        )
        for reason, count in meters.worker_restarts.items():
            restarts.add_metric([reason], count)
        yield restarts
        yield meters.commits.family(
            "syncline_commit_seconds", "Time until Redis had answered a write, durability included."
        )
        yield meters.fan_out.family(
            "syncline_fan_out_seconds",
            "Time from a commit until its event was handed to every connection of this process.",
        )
        yield from self._process.collect()


def encode(families: Iterable[Metric], accept: str | None) -> tuple[bytes, str]:
    """Encode as OpenMetrics if `accept` names it, else in Prometheus' text format.

    Args:
        accept: the `Accept` header; None without one.

    Returns:
        the text and its media type.
    """
    registry = CollectorRegistry()
    registry.register(_Collected(families))
    if accept is not None and "application/openmetrics-text" in accept:
        text: bytes = openmetrics.generate_latest(registry)  # type: ignore[no-untyped-call]
        return text, openmetrics.CONTENT_TYPE_LATEST
    return generate_latest(registry), CONTENT_TYPE_LATEST


class _Collected(Collector):
    """Wraps finished families as the collector that the encoders expect."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        return self._families


def _connections(loads: Sequence[Load], requests: int) -> Iterator[Metric]:
    connections = _gauges("connections", "Open sockets and event streams.")
    subscriptions = _gauges("subscriptions", "Open documents of all connections.")
    in_flight = _gauges("in_flight_requests", "Running requests.")
    waiting = _gauges("outbox_bytes", "Bytes that wait for readers, without those in the kernel.")
    for wire in WIRES[:-1]:
        own = [load for load in loads if load.wire == wire]
        connections.add_metric([wire], len(own))
        subscriptions.add_metric([wire], sum(load.subscriptions for load in own))
        in_flight.add_metric([wire], sum(load.in_flight for load in own))
        waiting.add_metric([wire], sum(load.waiting for load in own))
    in_flight.add_metric(["rest"], requests)
    yield from (connections, subscriptions, in_flight, waiting)


def _traffic(meters: Meters) -> Iterator[Metric]:
    accepted = _counters("accepted_connections", "Accepted sockets and event streams.")
    requests = _counters("requests", "Received requests, including refused ones.")
    events = _counters("events", "Events handed to connections.")
    conflated = _counters(
        "conflated_events", "Events that a newer event replaced before they were sent."
    )
    deltas = _counters("delta_events", "Events handed to connections as deltas.")
    resets = _counters("resets", "Open collections that a client must read again as a whole.")
    refused = _counters("refused_requests", "Refused requests, by error code.", "code")
    for wire, tally in meters.wires.items():
        accepted.add_metric([wire], tally.connections)
        requests.add_metric([wire], tally.requests)
        events.add_metric([wire], tally.events)
        conflated.add_metric([wire], tally.conflated)
        deltas.add_metric([wire], tally.deltas)
        resets.add_metric([wire], tally.resets)
        for code, count in sorted(tally.refused.items()):
            refused.add_metric([wire, str(code)], count)
    yield from (accepted, requests, events, conflated, deltas, resets, refused)
    hits = CounterMetricFamily(
        "syncline_bound_hits", "How often a limit was hit, by its setting.", labels=["bound"]
    )
    for limit, count in meters.limit_hits.items():
        hits.add_metric([limit], count)
    yield hits


def _webhooks(meters: Meters) -> Iterator[Metric]:
    outcomes = CounterMetricFamily(
        "syncline_webhooks",
        "Outcomes of webhooks, and failed attempts.",
        labels=["outcome"],
    )
    for outcome, count in meters.webhooks.items():
        outcomes.add_metric([outcome], count)
    yield outcomes
    yield _gauge(
        "webhooks_waiting",
        "Webhooks that wait for delivery by this process.",
        meters.webhooks_waiting,
    )
    yield _gauge("webhooks_parked", "Parked webhooks.", meters.webhooks_parked)


def _gauge(name: str, help: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"syncline_{name}", help, value)


def _gauges(name: str, help: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"syncline_{name}", help, labels=["wire"])


def _counters(name: str, help: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(f"syncline_{name}", help, labels=["wire", *labels])
