"""Readiness of a process: the named problems behind `/readyz`, and their log lines."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

__all__ = ["REPORT_INTERVAL", "Readiness"]

logger = logging.getLogger("syncline.readiness")

REPORT_INTERVAL = 10.0
"""Minimum seconds between log lines with the same text about a problem."""


REMEMBERED = 8
"""Maximum different texts about one problem within `REPORT_INTERVAL`; further texts are not logged
until the oldest of these lines is that old."""


@dataclass(slots=True)
class _State:
    """State of one named problem.

    Attributes:
        problem: the problem now; None if all is well.
        logged_at: when each text was last logged.
        is_announced: the log has the beginning of the problem, and not yet its end.
    """

    problem: str | None = None
    logged_at: dict[str, float] = field(default_factory=dict)
    is_announced: bool = False


class Readiness:
    """The problems of one process, which is ready if it has none."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: time in seconds, with any zero point."""
        self._clock = clock
        self._states: dict[str, _State] = {}

    @property
    def problems(self) -> Mapping[str, str]:
        """The current problems: a sentence by the name of the problem."""
        return {
            name: state.problem for name, state in self._states.items() if state.problem is not None
        }

    def report(self, name: str, problem: str | None) -> None:
        """Set or clear a problem; cheap enough to call at every probe.

        Logs a line when the problem begins, one each `REPORT_INTERVAL` while it is reported, and
        one when it ends.

        Args:
            name: one word, as `/readyz` lists it.
            problem: a sentence for operators, without secrets; None if all is well.
        """
        state = self._states.setdefault(name, _State())
        state.problem = problem
        if problem is None:
            if state.is_announced:
                state.is_announced = False
                logger.info("%s: the problem is solved", name)
            return
        if self._may_log(state, problem):
            state.is_announced = True
            logger.error("not ready (%s): %s", name, problem)

    def _may_log(self, state: _State, problem: str) -> bool:
        now = self._clock()
        # `logged_at` survives the end of a problem, so that a flapping problem is limited too.
        state.logged_at = {
            text: at for text, at in state.logged_at.items() if now - at < REPORT_INTERVAL
        }
        if problem in state.logged_at or len(state.logged_at) >= REMEMBERED:
            return False
        state.logged_at[problem] = now
        return True
