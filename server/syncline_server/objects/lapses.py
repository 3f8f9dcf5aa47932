"""Turns that identities let go by, which earns them no more turns for a while."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

__all__ = ["LAPSES_LIMIT", "LAPSE_MEMORY", "Lapses"]

LAPSES_LIMIT = 2
"""Lapsed turns within `LAPSE_MEMORY` after which an identity earns no turn."""

LAPSE_MEMORY = 60.0
"""Seconds from an identity's last lapse until its lapses are forgotten."""

USES_PER_LAPSE = 4
"""Turns used that make up for one lapse: a busy client may miss one now and then."""

IDENTITIES_LIMIT = 10_000
"""Identities remembered; beyond, the one whose last lapse is oldest is forgotten."""


class Lapses:
    """The lapses of one process, by identity: a new connection does not shed them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # Score and time of the last lapse, the oldest first. A lapse adds USES_PER_LAPSE points.
        self._scores: OrderedDict[Hashable, tuple[int, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._scores)

    def add(self, identity: Hashable) -> None:
        """The identity let a turn go by for which others waited."""
        score = self._score(identity) + USES_PER_LAPSE
        self._scores[identity] = (score, self._clock())
        self._scores.move_to_end(identity)
        if len(self._scores) > IDENTITIES_LIMIT:
            self._scores.popitem(last=False)

    def forgive(self, identity: Hashable) -> None:
        """The identity used a turn."""
        score = self._score(identity)
        if score > 1:
            self._scores[identity] = (score - 1, self._scores[identity][1])
        elif score:
            del self._scores[identity]

    def exhausted(self, identity: Hashable) -> bool:
        """True if the identity earns no turn now."""
        return self._score(identity) >= LAPSES_LIMIT * USES_PER_LAPSE

    def _score(self, identity: Hashable) -> int:
        score, lapsed_at = self._scores.get(identity, (0, 0.0))
        if score and self._clock() - lapsed_at >= LAPSE_MEMORY:
            del self._scores[identity]
            return 0
        return score
