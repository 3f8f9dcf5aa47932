"""Results of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

__all__ = ["BUSY", "HEADROOM", "Capacity", "Delay", "Figures"]

HEADROOM = 0.7
"""Share of the measured deliveries per second that a capacity uses; the rest is a reserve."""

RATES = (1, 10, 100)
"""Events per second for which a capacity is reported."""

BUSY = 0.9
"""CPU share of the clients above which they, not the server, may have been the bottleneck."""


@dataclass(frozen=True, slots=True)
class Delay:
    """Seconds from sending a write to receiving its event."""

    median: float
    p99: float
    worst: float

    @classmethod
    def of(cls, delays: Sequence[float]) -> Delay | None:
        """Summarize delays in seconds; None if there are none."""
        if not delays:
            return None
        ordered = sorted(delays)
        p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
        return cls(*(round(each, 6) for each in (median(ordered), p99, ordered[-1])))


@dataclass(frozen=True, slots=True)
class Capacity:
    """Number of subscribers of one document that can receive this many events per second."""

    events_per_second: int
    subscribers: int


@dataclass(frozen=True, slots=True)
class Figures:
    """Results of a run.

    Attributes:
        connections_per_second: subscribers connected and subscribed per second.
        rate: events per second that were achieved in the fixed-rate stage.
        delay: delay in the fixed-rate stage; None if no event arrived.
        events_per_second: events per second in the fan-out stage, in which a document is written
            again as soon as all its subscribers have the previous event.
        deliveries_per_second: deliveries per second in the fan-out stage, of all subscribers.
        writes_per_second: writes per second to documents without subscribers.
        merged: events in the fan-out stage that newer events replaced.
        refused: writes that the server refused, for instance because of a rate limit.
        client_share: CPU time of the clients in the fan-out stage, divided by its duration.
    """

    subscribers: int
    writers: int
    connections_per_second: float
    rate: float
    delay: Delay | None
    events_per_second: float
    deliveries_per_second: float
    writes_per_second: float
    merged: int
    refused: int
    client_share: float

    @property
    def capacity(self) -> list[Capacity]:
        """Estimated capacity of the server, with a reserve (`HEADROOM`)."""
        planned = self.deliveries_per_second * HEADROOM
        return [Capacity(rate, int(planned / rate)) for rate in RATES]

    @property
    def is_lower_bound(self) -> bool:
        """True if the clients were so busy that the server may be able to do more."""
        return self.client_share >= BUSY
