"""Mutations that run, so that one inside another of the same data is refused at once.

The inner one would write first, the outer one would lose and run again, with another inner one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from syncline.errors import UsageError

__all__ = ["mutating"]

_running: ContextVar[frozenset[tuple[str, ...]]] = ContextVar("running mutations")


@contextmanager
def mutating(*names: str) -> Iterator[None]:
    """Within it, the same names are refused, in this thread or task.

    Args:
        names: names of the data: path of the object, and the key of the item.

    Raises:
        UsageError: a mutation of the same data runs.
    """
    outer = _running.get(frozenset())
    if names in outer:
        raise UsageError(f"mutate was called inside mutate of the same data ({' '.join(names)})")
    token = _running.set(outer | {names})
    try:
        yield
    finally:
        _running.reset(token)
