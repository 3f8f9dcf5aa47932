"""Simulates clients that come back together: after a rolling restart, and after a zone has failed.

Time goes in ticks. Clients are counted, not simulated one by one; what is random (pauses of the
back-off) is drawn for all clients of a tick, from one seed. The servers of a fleet share
attempts equally, as behind a load balancer; a handshake waits in order of arrival for
processor time that the steady load leaves, of servers and of Redis.
"""

from __future__ import annotations

import math
import random
from collections import defaultdict, deque
from dataclasses import dataclass, replace
from typing import Self

from .model import MICRO, Coefficients, Traffic
from .plan import Machines, Plan

__all__ = ["Fleet", "Herd", "Settings", "rolling_restart", "zone_failure"]

TICK = 0.25
STATE_BYTES = 530
"""Of an object that a client receives because it changed meanwhile, as of an event."""

REFUSAL = 0.1
"""What a refused handshake costs, as a share of an accepted one."""

ABANDONED = 0.3
"""What a handshake costs that its client has given up, as a share of an accepted one."""

MOST_ATTEMPTS = 12
"""Attempts that are counted apart; by then pauses have long reached their ceiling."""

EXACT = 64
"""Draws that are made one by one; more follow the normal distribution."""


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


def zone_failure(fleet: Fleet, settings: Settings, seed: int) -> Herd:
    """One zone is gone at once; its clients notice within `noticed` seconds."""
    simulation = _Simulation(fleet, settings, seed)
    simulation.live = fleet.nodes - fleet.nodes // fleet.zones
    simulation.cut(fleet.connections // fleet.zones, over=settings.noticed)
    return simulation.run()


def rolling_restart(fleet: Fleet, settings: Settings, seed: int) -> Herd:
    """All nodes restart, some at once; the next begin when these serve and their clients are back.

    A node that has restarted has no clients at first, so the last ones have the most: each group is
    what the nodes have by then.
    """
    simulation = _Simulation(fleet, settings, seed)
    size = max(1, round(fleet.nodes * settings.at_once))
    groups = [size] * (fleet.nodes // size)
    if fleet.nodes % size:
        groups.append(fleet.nodes % size)
    held = [fleet.connections * count / fleet.nodes for count in groups]
    for number, count in enumerate(groups):
        moving = round(held[number])
        others = fleet.nodes - count
        for other, members in enumerate(groups):
            if other != number and others:
                held[other] += held[number] * members / others
        held[number] = 0
        simulation.live = max(1, others)
        simulation.cut(moving, over=settings.drain)
        simulation.advance(settings.drain + settings.down)
        simulation.live = fleet.nodes
        while simulation.away and not simulation.is_over:
            simulation.step()
    return simulation.run()


class _Simulation:
    """Clients that are away, and what the servers that are left do about them."""

    def __init__(self, fleet: Fleet, settings: Settings, seed: int) -> None:
        self._fleet, self._settings = fleet, settings
        self._random = random.Random(seed)
        self.live = fleet.nodes
        self.tick = 0
        self.lost = self.away = 0
        self._due: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))
        self._queue: deque[_Waiting] = deque()
        self._patient: deque[_Waiting] = deque()
        self._returned: list[int] = []
        self._away_since = 0.0
        self._attempts: list[int] = []
        self._refused = self._wasted = 0
        self._load = self._waited = self._catch_up = 0.0

    @property
    def is_over(self) -> bool:
        """Whether it has lasted for too long."""
        return self.tick * TICK >= self._settings.longest

    def cut(self, clients: int, *, over: float) -> None:
        """Cut clients off, evenly over a time; each then pauses as before its first attempt."""
        self.lost += clients
        self.away += clients
        self._away_since += clients * self.tick
        ticks = max(1, round(over / TICK))
        for offset, count in enumerate(self._spread(clients, ticks)):
            self._pause(count, 0, self.tick + offset)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        for _ in range(round(seconds / TICK)):
            self.step()

    def run(self) -> Herd:
        """Go on until all are back, and say how it was."""
        while self.away and not self.is_over:
            self.step()
        a_second = round(1 / TICK)
        attempts = [sum(self._attempts[n : n + a_second]) for n in range(len(self._attempts))]
        return Herd(
            settings=self._settings.name,
            lost=self.lost,
            half=self._until(0.5),
            most=self._until(0.99),
            all=self._until(1.0),
            attempts=max(attempts, default=0),
            refused=self._refused,
            wasted=self._wasted,
            load=self._load,
            waited=self._waited,
            catch_up=self._catch_up,
            is_stable=not self.away and self._wasted <= 0.01 * self.lost,
        )

    def step(self) -> None:
        """One tick: attempts come, are admitted or refused, and are served in turn."""
        settings, fleet = self._settings, self._fleet
        due = self._due.pop(self.tick, {})
        came = sum(due.values())
        self._attempts.append(came)
        admitted = came
        if settings.admission is not None:
            limit = settings.admission * fleet.processes * self.live * TICK
            admitted = min(came, round(limit))
        refused = came - admitted
        left = admitted
        for attempt, count in sorted(due.items()):
            taken = min(left, round(admitted * count / came)) if came else 0
            left -= taken
            if taken:
                waiting = _Waiting(since=self.tick, attempt=attempt, count=taken)
                self._queue.append(waiting)
                self._patient.append(waiting)
            self._refuse(count - taken, attempt)
        self._refused += refused
        self._give_up()
        self._serve(refused)
        self.tick += 1

    def _refuse(self, count: int, attempt: int) -> None:
        wait = round(self._settings.retry_after / TICK)
        self._pause(count, attempt + 1, self.tick + 1 + wait)

    def _give_up(self) -> None:
        """Clients whose handshake took too long try again; the server does not know yet."""
        patience = round(self._settings.patience / TICK)
        while self._patient and self._patient[0].since + patience <= self.tick:
            waiting = self._patient.popleft()
            if waiting.count:
                waiting.is_abandoned = True
                self._wasted += waiting.count
                self._pause(waiting.count, waiting.attempt + 1, self.tick + 1)

    def _serve(self, refused: int) -> None:
        fleet = self._fleet
        total = fleet.cores * self.live * TICK
        # Clients that are away cost nothing meanwhile.
        steady = fleet.busy * TICK * (1 - self.away / fleet.connections)
        refusing = refused * fleet.arrival * REFUSAL
        free = left = max(0.0, total - steady - refusing)
        redis = fleet.redis_free * TICK
        served = 0
        while self._queue and left > 0:
            waiting = self._queue[0]
            if redis <= 0 and not waiting.is_abandoned:
                break
            cost = fleet.arrival * (ABANDONED if waiting.is_abandoned else 1)
            count = min(waiting.count, math.ceil(left / cost))
            if not waiting.is_abandoned:
                count = min(count, math.ceil(redis / fleet.redis_arrival))
                redis -= count * fleet.redis_arrival
                served += count
                self._waited = max(self._waited, (self.tick - waiting.since) * TICK)
            left -= count * cost
            waiting.count -= count
            if not waiting.count:
                self._queue.popleft()
        self._load = max(self._load, min(1.0, (steady + refusing + free - left) / total))
        self._welcome(served)

    def _welcome(self, count: int) -> None:
        if count:
            away = (self.tick - self._away_since / self.away) * TICK
            changed = -math.expm1(-self._fleet.changes * away)
            size = count * self._fleet.open_objects * changed * STATE_BYTES / TICK
            self._catch_up = max(self._catch_up, size)
            self._away_since -= self._away_since * count / self.away
            self.away -= count
        self._returned.append(count)

    def _pause(self, count: int, attempt: int, tick: int) -> None:
        """Let clients make their next attempt after a random pause below their ceiling."""
        if not count:
            return
        most = min(self._settings.first * 2.0**attempt, self._settings.ceiling)
        for offset, some in enumerate(self._spread(count, max(1, round(most / TICK)))):
            if some:
                self._due[tick + offset][min(attempt, MOST_ATTEMPTS)] += some

    def _spread(self, count: int, ticks: int) -> list[int]:
        """Throw so many clients into so many ticks."""
        found = []
        for left in range(ticks, 0, -1):
            found.append(self._binomial(count, 1 / left))
            count -= found[-1]
        return found

    def _binomial(self, count: int, share: float) -> int:
        if share >= 1:
            return count
        if count <= EXACT:
            return sum(self._random.random() < share for _ in range(count))
        mean, deviation = count * share, math.sqrt(count * share * (1 - share))
        return min(count, max(0, round(self._random.gauss(mean, deviation))))

    def _until(self, share: float) -> float:
        wanted, seen = math.ceil(self.lost * share), 0
        for tick, count in enumerate(self._returned):
            seen += count
            if seen >= wanted:
                return (tick + 1) * TICK
        return math.inf


@dataclass(kw_only=True, slots=True)
class _Waiting:
    """Handshakes of one tick that wait."""

    since: int
    attempt: int
    count: int
    is_abandoned: bool = False
