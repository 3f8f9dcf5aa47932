"""Which fault hits which client when: the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Fault", "FaultKind", "make_plan"]

GAP = (0.4, 3.0)
"""Seconds without a fault on one link: the least and the most."""

CROWD = 12
"""Clients from which on more of them have no more faults together, but longer gaps."""

LATENCY = (0.02, 0.4)
"""Seconds by which a `delay` holds bytes back, each way."""


class FaultKind(StrEnum):
    """What can happen to a link."""

    CUT = "cut"
    """Its connections break at once, and new ones for a while."""

    DELAY = "delay"
    """All bytes are late."""

    BLACKHOLE = "blackhole"
    """All bytes vanish and connections stay; what lost bytes breaks when it is over."""

    DUPLICATE = "duplicate"
    """All that each connection has sent is sent once more, on a connection of its own."""


_SECONDS = {
    FaultKind.CUT: (0.0, 0.5),
    FaultKind.DELAY: (0.5, 2.0),
    FaultKind.BLACKHOLE: (0.3, 2.0),
    FaultKind.DUPLICATE: (0.0, 0.0),
}
"""How long each lasts: the least and the most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing to inflict; times are in seconds, `at` from the beginning.

    Attributes:
        client: whose link it hits.
        latency: of a `delay`, else 0.
    """

    at: float
    client: str
    kind: FaultKind
    seconds: float
    latency: float = 0.0


def make_plan(
    seed: int, duration: float, kinds: Sequence[FaultKind], clients: Sequence[str]
) -> list[Fault]:
    """Faults in the order of their time; all are over after `duration` seconds.

    On each link the kinds take turns, in an order of chance, so that short runs have all of them.
    """
    faults = []
    least, most = GAP
    gap = (least, most * max(1.0, len(clients) / CROWD))
    for client in clients if kinds else ():
        faults += _faults_of(
            client, random.Random(f"{seed}:{client}"), duration=duration, kinds=kinds, gap=gap
        )
    return sorted(faults, key=lambda fault: (fault.at, fault.client))


def _faults_of(
    client: str,
    chance: random.Random,
    *,
    duration: float,
    kinds: Sequence[FaultKind],
    gap: tuple[float, float],
) -> list[Fault]:
    faults: list[Fault] = []
    turns: list[FaultKind] = []
    at = 0.0
    while True:
        turns = turns or chance.sample(kinds, len(kinds))
        kind = turns.pop()
        at += chance.uniform(*gap)
        seconds = chance.uniform(*_SECONDS[kind])
        latency = chance.uniform(*LATENCY) if kind is FaultKind.DELAY else 0.0
        if at + seconds > duration:
            return faults
        faults.append(Fault(at=at, client=client, kind=kind, seconds=seconds, latency=latency))
        at += seconds
