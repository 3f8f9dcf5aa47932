"""Why a value and a model do not fit, and where."""

from __future__ import annotations

__all__ = ["Misfit"]


class Misfit(Exception):
    """A part of a value does not fit.

    Attributes:
        path: keys and indexes that lead to the part; each container that the exception passes
            puts its own before them.
        reason: what is wrong, without the value itself, which may be secret.
    """

    def __init__(self, reason: str, path: tuple[str | int, ...] = ()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path = path

    def within(self, key: str | int) -> Misfit:
        """Put the key of a container before the path."""
        self.path = (key, *self.path)
        return self
