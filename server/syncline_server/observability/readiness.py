"""What keeps a server from doing its work: named problems, for `/readyz` and for the log."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

__all__ = ["REPORT_INTERVAL", "Readiness"]

logger = logging.getLogger("syncline.readiness")

REPORT_INTERVAL = 10.0
"""Seconds between log lines about one problem, at least."""


REMEMBERED = 8
"""Sentences about one problem whose lines are bounded one by one; of further ones there are none
until the oldest line is `REPORT_INTERVAL` ago."""


@dataclass(slots=True)
class _State:
    """One name.

    Attributes:
        logged_at: when the log last got each sentence.
        is_announced: the log has said that the problem is there, and not yet its end.
    """

    problem: str | None = None
    logged_at: dict[str, float] = field(default_factory=dict)
    is_announced: bool = False


class Readiness:
    """The problems of one process. It is ready while there are none."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: the time in seconds, from any beginning."""
        self._clock = clock
        self._states: dict[str, _State] = {}

    @property
    def problems(self) -> Mapping[str, str]:
        """What is wrong now: a sentence by the name of the problem."""
        return {
            name: state.problem for name, state in self._states.items() if state.problem is not None
        }

    def report(self, name: str, problem: str | None) -> None:
        """Say what is wrong, or with None that all is well; cheap enough for every probe.

        The log gets a line when the problem begins, another one each `REPORT_INTERVAL` while it is
        reported, and one when it is over.

        Args:
            name: one word, as `/readyz` lists it.
            problem: a sentence for operators, without secrets.
        """
        state = self._states.setdefault(name, _State())
        state.problem = problem
        if problem is None:
            if state.is_announced:
                state.is_announced = False
                logger.info("%s: the problem is over", name)
            return
        if self._may_log(state, problem):
            state.is_announced = True
            logger.error("not ready (%s): %s", name, problem)

    def _may_log(self, state: _State, problem: str) -> bool:
        now = self._clock()
        # Kept when a problem ends: one that comes and goes is bounded too.
        state.logged_at = {
            text: at for text, at in state.logged_at.items() if now - at < REPORT_INTERVAL
        }
        if problem in state.logged_at or len(state.logged_at) >= REMEMBERED:
            return False
        state.logged_at[problem] = now
        return True
