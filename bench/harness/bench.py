"""Configuration of a run of the benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .floor import Floor
from .syncline import Confirming, Native, Twilsock
from .target import Target

__all__ = ["Bench"]


@dataclass(frozen=True)
class Bench:
    """Rounds, load and contenders of a run.

    Attributes:
        rounds: number of rounds in which each contender is measured.
        seconds: seconds of load in each round.
        appendfsync: setting of every Redis.
        peers: other servers that can run on this machine.
        wanted: a contender, other than the floor, takes part if its name contains one of these.
        own: configurations of Syncline that have goals.
        variants: configurations of Syncline without goals, for comparison.
        many_documents: number of documents in the large data set of the measure `sizes`.
        many_items: number of items in a large map.
        expiring_items: number of items that expire in one second.
        stalled_changes: changes of a map that readers miss who stand still.
        idle_connections: number of connections in the measure `idle`.
    """

    rounds: int = 5
    seconds: float = 3.0
    appendfsync: str = "always"
    peers: Sequence[Target] = ()
    wanted: Sequence[str] = ("",)
    many_documents: int = 1_000_000
    many_items: int = 1_000_000
    expiring_items: int = 100_000
    stalled_changes: int = 100_000
    idle_connections: int = 10_000
    floor: Target = field(default_factory=Floor)
    own: Sequence[Target] = field(default_factory=lambda: (Native(), Twilsock()))
    variants: Sequence[Target] = field(default_factory=lambda: (Confirming(),))

    @property
    def targets(self) -> list[Target]:
        """All contenders that take part, the floor first."""
        return [self.floor, *filter(self._is_wanted, (*self.own, *self.variants, *self.peers))]

    @property
    def wanted_peers(self) -> list[Target]:
        """The peers that take part."""
        return list(filter(self._is_wanted, self.peers))

    @property
    def peer_names(self) -> list[str]:
        """Names of the peers, as in the tables."""
        return [peer.name for peer in self.peers]

    def _is_wanted(self, target: Target) -> bool:
        return any(word.lower() in target.name.lower() for word in self.wanted)
