"""How large a run is, and what may fail in it."""

from __future__ import annotations

from dataclasses import dataclass

from .plan import FaultKind

__all__ = ["DOCUMENTS", "TYPES", "Shape"]

DOCUMENTS = "documents"

TYPES = (DOCUMENTS, "list", "map", "stream")
"""What a run can be about."""


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
        rate: writes of documents a second, of all clients together; items have half as many.
        patience: seconds that subscribers may take to converge after the last fault.
        commands: shell commands to run meanwhile, evenly spread.
        types: what the run is about, of `TYPES`.
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
    types: frozenset[str] = frozenset(TYPES)
