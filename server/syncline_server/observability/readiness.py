"""What keeps the server from being ready, by name."""

from __future__ import annotations

__all__ = ["Readiness"]


class Readiness:
    """Named problems; the server is ready while there is none."""

    def __init__(self) -> None:
        self._problems: dict[str, str] = {}

    @property
    def problems(self) -> dict[str, str]:
        """A sentence for each problem, by its name."""
        return dict(self._problems)

    def report(self, name: str, problem: str | None) -> None:
        """Set a problem, or with None end it."""
        if problem is None:
            self._problems.pop(name, None)
        else:
            self._problems[name] = problem
