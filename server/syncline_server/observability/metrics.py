"""Counters and gauges of one process (`prometheus` has their names for Prometheus).

Hot paths only add to plain numbers; samples are made at a scrape.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum, auto
from typing import NamedTuple

from prometheus_client.metrics_core import HistogramMetricFamily

__all__ = ["WIRES", "Gauges", "Histogram", "Limit", "Load", "Meters", "Tally"]

WIRES = ("native", "twilsock", "sse", "rest")

WEBHOOK_OUTCOMES = ("delivered", "failed", "parked", "dropped", "discarded")
"""Outcomes that are counted: `failed` counts attempts, the others count webhooks."""


class Limit(StrEnum):
    """Settings whose limits are counted when they are hit; the value is the setting's name."""

    MAX_CONNECTIONS = auto()
    CONNECT_RATE = auto()
    CONNECTION_RATE = auto()
    IDENTITY_RATE = auto()
    IDENTITY_WORK = auto()
    MAX_REQUESTS = auto()
    LOGIN_FAILURES = auto()
    MAX_LISTS = auto()
    MAX_TAILS = auto()
    TAIL_RATE = auto()
    MAX_IN_FLIGHT = auto()
    MAX_PAGES = auto()
    MAX_SUBSCRIPTIONS = auto()
    AUTH_TIMEOUT = auto()
    OIDC_KEY_GRACE = auto()
    OIDC_REFETCH_INTERVAL = auto()
    OIDC_TIMEOUT = auto()
    CONSOLE_OIDC_LOGINS = auto()
    AUTH_MESSAGE_LIMIT = auto()
    OVERSIZED_LIMIT = auto()
    HEADER_TIMEOUT = auto()
    BODY_TIMEOUT = auto()
    HEADER_LIMIT = auto()
    URL_LIMIT = auto()
    PING_TIMEOUT = auto()
    OUTPUT_MARK = auto()
    SLOW_READER_TIMEOUT = auto()
    WAITING_ITEMS = auto()
    WAITING_MESSAGES = auto()
    TOMBSTONES = auto()
    TURN_TIMEOUT = auto()
    TURN_WAIT = auto()
    TRACE_LIMIT = auto()
    MAX_KEYS = auto()
    AUDIT_RATE = auto()
    DELTA_MEMORY = auto()
    DELTA_RATE = auto()
    WS_ORIGINS = auto()
    WEBHOOK_QUEUE_LIMIT = auto()
    WEBHOOK_AGE = auto()
    WEBHOOK_RETRY_TIME = auto()
    WEBHOOK_PARKED_LIMIT = auto()


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


@dataclass(slots=True, kw_only=True)
class Tally:
    """Counters of one wire protocol since the start of the process.

    Attributes:
        connections: admitted connections.
        requests: received requests, including refused ones.
        refused: refused requests, by `Code`.
        events: events given to a connection.
        conflated: events that a newer one of the same object replaced before they were sent.
        deltas: events sent as deltas.
        resets: open collections that a client must read again as a whole.
    """

    connections: int = 0
    requests: int = 0
    events: int = 0
    conflated: int = 0
    deltas: int = 0
    resets: int = 0
    refused: Counter[int] = field(default_factory=Counter)


class Meters:
    """All counters of one process.

    Attributes:
        wires: counters of each of `WIRES`.
        limit_hits: how often each `Limit` was hit.
        commits: seconds until Redis acknowledged a write, durability included.
        fan_out: seconds from a commit until all connections here were given its event.
        requests: HTTP requests whose reply has not begun.
        webhooks: how often each of `WEBHOOK_OUTCOMES` occurred.
        webhooks_waiting: webhooks that this process has to deliver.
        webhooks_parked: parked webhooks of all services, at the last inspection.
        compared: objects that were read again because events may have been missed.
        reclaimed: entries of removed objects that this process freed in Redis.
        refused_for_files: connections refused because file descriptors ran out.
        worker_restarts: how often the worker of this number was replaced, by reason.
    """

    def __init__(self) -> None:
        self.wires = {wire: Tally() for wire in WIRES}
        self.limit_hits = Counter(dict.fromkeys(Limit, 0))
        self.commits = Histogram()
        self.fan_out = Histogram()
        self.requests = 0
        self.webhooks = Counter(dict.fromkeys(WEBHOOK_OUTCOMES, 0))
        self.webhooks_waiting = 0
        self.webhooks_parked = 0
        self.compared = 0
        self.reclaimed = 0
        self.refused_for_files = 0
        self.worker_restarts = Counter(dict.fromkeys(("hung", "ended"), 0))


class Load(NamedTuple):
    """Current load of one connection; `waiting`: bytes queued for it."""

    wire: str
    subscriptions: int
    in_flight: int
    waiting: int


@dataclass(frozen=True, slots=True, kw_only=True)
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
