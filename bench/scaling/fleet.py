"""A fleet, the settings that decide how clients come back to it, and what became of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from .model import MICRO, Coefficients, Traffic
from .plan import Machines, Plan

__all__ = ["Fleet", "Herd", "Settings"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Fleet:
    """Servers, and what they do before anything happens.

    Attributes:
        cores: all processor time of a node that may go to clients, in cores.
        busy: cores that the steady load uses on all nodes together.
        arrival: processor time of a server for each connection that comes back, in seconds.
        redis_arrival: the same of Redis.
        redis_free: cores of all shards together that the steady load leaves.
        changes: share of the open objects that change in a second.
    """

    nodes: int
    processes: int
    zones: int
    connections: int
    open_objects: float
    cores: float
    busy: float
    arrival: float
    redis_arrival: float
    redis_free: float
    changes: float

    @classmethod
    def of(
        cls, traffic: Traffic, coefficients: Coefficients, machines: Machines, found: Plan
    ) -> Self:
        """The fleet of a plan."""
        c, further = coefficients, traffic.open_objects - 1
        return cls(
            nodes=found.nodes,
            processes=machines.processes,
            zones=machines.zones,
            connections=traffic.connections,
            open_objects=traffic.open_objects,
            cores=machines.processes,
            busy=found.cost.server,
            arrival=(c.arrival + further * c.opening) * MICRO,
            redis_arrival=(c.redis_arrival + further * c.redis_opening) * MICRO,
            redis_free=max(0.01, 1 - found.busiest_shard) * found.shards,
            changes=traffic.events_per_object,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What decides on the shape of a herd.

    Attributes:
        name: in the table.
        first, ceiling: maxima of the first and of every later random pause of clients, in seconds.
        patience: seconds after which a client gives a handshake up.
        admission: new connections per second that a process admits; None for all.
        retry_after: seconds that a refusal asks clients to wait, before their own pause.
        noticed: seconds within which clients of a failed zone notice it: the time-out of pings.
        drain: seconds over which a node that stops closes its connections.
        down: seconds until it serves again.
        at_once: share of the nodes that restart together.
        longest: seconds after which a simulation ends, whatever is left.
    """

    name: str
    first: float = 0.5
    ceiling: float = 30
    patience: float = 10
    admission: float | None = 1000
    retry_after: float = 1
    noticed: float = 40
    drain: float = 10
    down: float = 5
    at_once: float = 0.05
    longest: float = 1800

    @classmethod
    def compared(cls, fleet: Fleet) -> list[Self]:
        """The defaults, what is recommended for the fleet, and what goes wrong."""
        # Half of what can be accepted leaves the other half to those that are connected.
        able = min(
            1 / fleet.arrival,
            fleet.redis_free / fleet.redis_arrival / (fleet.nodes * fleet.processes),
        )
        admission = max(1.0, round(able / 2))
        limit = f"--connect-rate {admission:,.0f}"
        at_once = cls(name="noticed at once, defaults", noticed=1, drain=1)
        hasty = replace(at_once, first=1, ceiling=1)
        return [
            cls(name="noticed by pings or a drain, defaults"),
            cls(name=f"noticed by pings or a drain, {limit}", admission=admission),
            at_once,
            replace(at_once, name=f"noticed at once, {limit}", admission=admission),
            replace(
                at_once,
                name=f"noticed at once, {limit}, first pause up to 30 s, Retry-After 15 s",
                admission=admission,
                first=30,
                ceiling=60,
                retry_after=15,
            ),
            replace(at_once, name="noticed at once, no limit", admission=None),
            replace(hasty, name="noticed at once, no limit, no back-off", admission=None),
            replace(hasty, name=f"noticed at once, {limit}, no back-off", admission=admission),
        ]


@dataclass(frozen=True, kw_only=True, slots=True)
class Herd:
    """What became of the clients that were cut off.

    Attributes:
        settings: their name.
        lost: clients that were cut off.
        half, most, all: seconds until half, 99 % and all of them are back; infinite if never.
        attempts: most attempts in a second.
        refused: attempts that were refused.
        wasted: handshakes that clients gave up.
        load: most of its processor time that the fleet used in a second.
        waited: longest time that a handshake waited, in seconds.
        catch_up: most bytes in a second that clients received to be up to date.
        is_stable: all came back, and few handshakes were in vain.
    """

    settings: str
    lost: int
    half: float
    most: float
    all: float
    attempts: float
    refused: int
    wasted: int
    load: float
    waited: float
    catch_up: float
    is_stable: bool
