"""What a run of the bench is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .floor import Floor
from .syncline import Confirming, Native, Twilsock
from .target import Target

__all__ = ["Bench"]


@dataclass(frozen=True)
class Bench:
    """How thoroughly, and against whom.

    Attributes:
        rounds: how often each contender is measured.
        seconds: of load in each round.
        appendfsync: of every Redis.
        peers: those that can run here.
        wanted: words, one of which is in the name of who takes part beside the floor.
        own: what goals are set for.
        variants: the same, used otherwise; there for comparison.
        many_documents: as many as the cost of operations is looked at with.
        idle_connections: as many as only stay.
    """

    rounds: int = 5
    seconds: float = 3.0
    appendfsync: str = "always"
    peers: Sequence[Target] = ()
    wanted: Sequence[str] = ("",)
    many_documents: int = 1_000_000
    idle_connections: int = 10_000
    floor: Target = field(default_factory=Floor)
    own: Sequence[Target] = field(default_factory=lambda: (Native(), Twilsock()))
    variants: Sequence[Target] = field(default_factory=lambda: (Confirming(),))

    @property
    def targets(self) -> list[Target]:
        """Who takes part, the floor first."""
        return [self.floor, *filter(self._is_wanted, (*self.own, *self.variants, *self.peers))]

    @property
    def peer_names(self) -> list[str]:
        """As tables call them."""
        return [peer.name for peer in self.peers]

    def _is_wanted(self, target: Target) -> bool:
        return any(word.lower() in target.name.lower() for word in self.wanted)
