"""Clients that come back together: after a rolling restart, and after a zone has failed."""

from __future__ import annotations

from .fleet import Fleet, Herd, Settings
from .simulation import Simulation

__all__ = ["rolling_restart", "zone_failure"]


def zone_failure(fleet: Fleet, settings: Settings, seed: int) -> Herd:
    """One zone is gone at once; its clients notice within `noticed` seconds."""
    simulation = Simulation(fleet, settings, seed)
    simulation.live = fleet.nodes - fleet.nodes // fleet.zones
    simulation.cut(fleet.connections // fleet.zones, over=settings.noticed)
    return simulation.run()


def rolling_restart(fleet: Fleet, settings: Settings, seed: int) -> Herd:
    """All nodes restart, some at once; the next begin when these serve and their clients are back.

    A node that has restarted has no clients at first, so the last ones have the most: each group is
    what the nodes have by then.
    """
    simulation = Simulation(fleet, settings, seed)
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
