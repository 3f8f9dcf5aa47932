"""What keeps a server from doing its work: named problems, for `/readyz` and for the log."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["REPORT_INTERVAL", "Readiness"]

logger = logging.getLogger("syncline.readiness")

REPORT_INTERVAL = 10.0
"""Seconds between log lines about one problem, at least."""


@dataclass(slots=True)
class _State:
    """One name. `is_announced`: the log has said that the problem is there, and not yet its end."""

    problem: str | None = None
    logged_at: float | None = None
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
            name: state.problem
            for name, state in self._states.items()
            if state.problem is not None
        }

    def report(self, name: str, problem: str | None) -> None:
        """Say what is wrong, or with None that all is well; cheap enough for every probe.

        The log gets a line when the problem begins, at most one each `REPORT_INTERVAL` while it is
        reported again, and one when it is over.

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
        now = self._clock()
        # A problem that comes and goes is bounded too: `logged_at` outlives its end.
        if state.logged_at is None or now - state.logged_at >= REPORT_INTERVAL:
            state.logged_at, state.is_announced = now, True
            logger.error("not ready (%s): %s", name, problem)
