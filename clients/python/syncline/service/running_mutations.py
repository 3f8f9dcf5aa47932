"""Mutations that run, so that one inside another of the same data is refused at once.

The inner one would write first, the outer one would lose and run again, with another inner one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from syncline.errors import UsageError

__all__ = ["mutating"]

_running: ContextVar[frozenset[str]] = ContextVar("running mutations")


@contextmanager
def mutating(names: Iterable[str], key: object = None) -> Iterator[None]:
    """Within it, the same data is refused, in this thread or task.

    Args:
        names: paths of the object: by its SID, by its unique name, as far as they are known.
        key: key of the item.

    Raises:
        UsageError: a mutation of the same data runs.
    """
    outer = _running.get(frozenset())
    marks = frozenset(name if key is None else f"{name}/Items/{key}" for name in names)
    if marks & outer:
        raise UsageError(f"mutate was called inside mutate of the same data ({min(marks & outer)})")
    token = _running.set(outer | marks)
    try:
        yield
    finally:
        _running.reset(token)
