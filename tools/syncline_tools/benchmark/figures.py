"""The numbers of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

__all__ = ["BUSY", "HEADROOM", "Capacity", "Delay", "Figures"]

HEADROOM = 0.7
"""The share of what was measured that is to be planned with."""

RATES = (1, 10, 100)
"""Events a second that a capacity is told for."""

BUSY = 0.9
"""The share of the time from which on the clients themselves may have been what was slow."""


@dataclass(frozen=True, slots=True)
class Delay:
    """From a write's sending to a subscriber's sight, in seconds."""

    median: float
    p99: float
    worst: float

    @classmethod
    def of(cls, delays: Sequence[float]) -> Delay | None:
        """None where there is none."""
        if not delays:
            return None
        ordered = sorted(delays)
        p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
        return cls(*(round(each, 6) for each in (median(ordered), p99, ordered[-1])))


@dataclass(frozen=True, slots=True)
class Capacity:
    """So many subscribers of one document can be told so many events a second."""

    events_per_second: int
    subscribers: int


@dataclass(frozen=True, slots=True)
class Figures:
    """What a run gave.

    Attributes:
        connections_per_second: of subscribers, until each had its document open.
        delay: at the wanted rate; None if nothing came.
        rate: events a second that there were in truth, when there was to be that rate.
        events_per_second: as fast as every subscriber gets one before the next is written.
        deliveries_per_second: the same at all subscribers together.
        writes_per_second: to documents without subscribers.
        merged: events that gave way to newer ones.
        refused: writes that were refused, as too many for instance.
        client_share: of the time in which events were as fast as can be, the share in which the
            clients here used a processor.
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
        """What this machine can be planned for."""
        planned = self.deliveries_per_second * HEADROOM
        return [Capacity(rate, int(planned / rate)) for rate in RATES]

    @property
    def is_lower_bound(self) -> bool:
        """True if the clients were too busy to tell how much the server can do."""
        return self.client_share >= BUSY
