"""Clients that are away, in ticks: they are counted, and what is random is drawn from one seed.

The servers of a fleet share attempts equally, as behind a load balancer; a handshake waits in order
of arrival for processor time that the steady load leaves, of servers and of Redis.
"""

from __future__ import annotations

import math
import random
from collections import defaultdict, deque
from dataclasses import dataclass

from .fleet import Fleet, Herd, Settings

__all__ = ["Simulation"]

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


class Simulation:
    """Clients that are away, and what the servers that are left do about them."""

    def __init__(self, fleet: Fleet, settings: Settings, seed: int) -> None:
        self._fleet, self._settings = fleet, settings
        self._random = random.Random(seed)
        self.live = fleet.nodes
        self.tick = 0
        self.lost = self.away = 0
        self._due: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))
        self._queue: deque[Waiting] = deque()
        self._patient: deque[Waiting] = deque()
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
                waiting = Waiting(since=self.tick, attempt=attempt, count=taken)
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
class Waiting:
    """Handshakes of one tick that wait."""

    since: int
    attempt: int
    count: int
    is_abandoned: bool = False
