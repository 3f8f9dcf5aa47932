"""Counters and gauges of one process (`prometheus` has their names for Prometheus).

Hot paths only add to plain numbers; samples are made at a scrape.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from prometheus_client.metrics_core import HistogramMetricFamily

__all__ = ["BOUNDS", "WIRES", "Gauges", "Histogram", "Load", "Meters", "Tally"]

WIRES = ("native", "twilsock", "sse", "rest")

WEBHOOK_OUTCOMES = ("delivered", "failed", "parked", "dropped", "discarded")
"""Outcomes that are counted: `failed` counts attempts, the others count webhooks."""

BOUNDS = (
    "max_connections",
    "connect_rate",
    "connection_rate",
    "identity_rate",
    "identity_work",
    "max_requests",
    "max_lists",
    "max_in_flight",
    "max_subscriptions",
    "auth_timeout",
    "oidc_key_grace",
    "oidc_refetch_interval",
    "oidc_timeout",
    "auth_message_limit",
    "oversized_limit",
    "header_timeout",
    "body_timeout",
    "header_limit",
    "url_limit",
    "ping_timeout",
    "output_mark",
    "slow_reader_timeout",
    "turn_timeout",
    "turn_wait",
    "trace_limit",
    "max_keys",
    "audit_rate",
    "delta_memory",
    "delta_rate",
    "ws_origins",
    "webhook_queue_limit",
    "webhook_age",
    "webhook_retry_time",
    "webhook_parked_limit",
)
"""Settings whose limits are counted when they are hit."""

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the histogram buckets in seconds; one more bucket has no upper bound."""


class Histogram:
    """Histogram of durations."""

    __slots__ = ("_counts", "_sum")

    def __init__(self) -> None:
        self._counts = [0] * (len(SECONDS) + 1)
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        self._counts[bisect_left(SECONDS, seconds)] += 1
        self._sum += seconds

    @property
    def count(self) -> int:
        """Number of observed durations."""
        return sum(self._counts)

    def family(self, name: str, help: str) -> HistogramMetricFamily:
        """As a Prometheus family, whose buckets are cumulative."""
        buckets, below = list[tuple[str, float]](), 0
        for end, count in zip((*SECONDS, float("inf")), self._counts, strict=True):
            below += count
            buckets.append(("+Inf" if end == float("inf") else str(end), below))
        return HistogramMetricFamily(name, help, buckets, self._sum)


@dataclass(slots=True)
class Tally:
    """Counters of one wire protocol since the start of the process.

    Attributes:
        connections: admitted connections.
        requests: received requests, including refused ones.
        refused: refused requests, by `Code`.
        events: events given to a connection.
        conflated: events that a newer one of the same document replaced before they were sent.
        deltas: events sent as deltas.
    """

    connections: int = 0
    requests: int = 0
    events: int = 0
    conflated: int = 0
    deltas: int = 0
    refused: Counter[int] = field(default_factory=Counter)


class Meters:
    """All counters of one process.

    Attributes:
        wires: counters of each of `WIRES`.
        bounds: how often each of `BOUNDS` was hit.
        commits: seconds until Redis acknowledged a write, durability included.
        fan_out: seconds from a commit until all connections here were given its event.
        requests: HTTP requests whose reply has not begun.
        webhooks: how often each of `WEBHOOK_OUTCOMES` occurred.
        webhooks_waiting: webhooks that this process has to deliver.
        webhooks_parked: parked webhooks of all services, at the last inspection.
        compared: documents that were read again because events may have been missed.
        refused_for_files: connections refused because file descriptors ran out.
        worker_restarts: how often the worker of this number was replaced, by reason.
    """

    def __init__(self) -> None:
        self.wires = {wire: Tally() for wire in WIRES}
        self.bounds = Counter(dict.fromkeys(BOUNDS, 0))
        self.commits = Histogram()
        self.fan_out = Histogram()
        self.requests = 0
        self.webhooks = Counter(dict.fromkeys(WEBHOOK_OUTCOMES, 0))
        self.webhooks_waiting = 0
        self.webhooks_parked = 0
        self.compared = 0
        self.refused_for_files = 0
        self.worker_restarts = Counter(dict.fromkeys(("hung", "ended"), 0))


class Load(NamedTuple):
    """Current load of one connection; `waiting`: bytes queued for it."""

    wire: str
    subscriptions: int
    in_flight: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Gauges:
    """Values read at a scrape, not counted; times are in seconds."""

    loads: Sequence[Load]
    redis_connected: bool
    redis_pending: int
    redis_round_trip: float
    feed_live: bool
    feed_lag: float
    clock_offset: float = 0.0
    clock_faults: int = 0
    redis_writable: bool = True
    disk_free: int | None = None
    disk_full: bool = False
    refused_writes: int = 0
