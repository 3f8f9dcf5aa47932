"""How large a run is, and what may fail in it."""

from __future__ import annotations

from dataclasses import dataclass

from .plan import FaultKind

__all__ = ["Shape"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a user chooses.

    Attributes:
        seed: of the plan of faults and of what is written.
        duration: seconds of writing.
        faults: kinds to inflict; none is a run without faults.
        clients: of each wire.
        documents: at a time, of all kinds together.
        follow: documents that each client follows at a time, at most.
        rate: writes a second, of all clients together.
        patience: seconds that subscribers may take to converge after the last fault.
        commands: shell commands to run meanwhile, evenly spread.
    """

    seed: int
    duration: float
    faults: tuple[FaultKind, ...]
    clients: int
    documents: int
    follow: int
    rate: float
    patience: float
    commands: tuple[str, ...] = ()
