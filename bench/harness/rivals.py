"""Finds the peers: the modules of bench/peers define them as `TARGET` or `TARGETS`."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

import bench.peers
from bench.peers.bare import TARGET as BARE

from .rounds import print_line
from .target import Missing, Target

__all__ = ["bare_rest", "find_peers", "rest_peers"]


def find_peers() -> list[Target]:
    """Peers with subscribers that can run here; prints why others are skipped."""
    return [each for each in _all() if not _is_rest(each) and _can_run(each)]


def bare_rest() -> Target | None:
    """The baseline of the REST measure; None if it cannot run here."""
    return BARE if _can_run(BARE) else None


def rest_peers() -> list[Target]:
    """Peers of the REST measure that can run here, beside its baseline."""
    return [each for each in _all() if _is_rest(each) and each is not BARE and _can_run(each)]


def _all() -> Iterator[Target]:
    for module in pkgutil.iter_modules(bench.peers.__path__):
        if module.ispkg:
            continue
        found = importlib.import_module(f"bench.peers.{module.name}")
        if hasattr(found, "TARGET"):
            yield found.TARGET
        yield from getattr(found, "TARGETS", ())


def _is_rest(target: Target) -> bool:
    return bool(getattr(target, "rest", False))


def _can_run(target: Target) -> bool:
    try:
        target.versions()
    except Missing as error:
        print_line(f"{target.name} is skipped: {error}")
        return False
    return True
