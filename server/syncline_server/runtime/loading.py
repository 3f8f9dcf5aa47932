"""When a process looks for garbage: not during imports, and seldom while it serves.

Modules make many objects when they are loaded, and nearly all of them stay. Looking for garbage
among them takes a sixth of the start of a process.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["collect_seldom", "loading"]

NEW_OBJECTS = 10_000
"""Containers that are made, less those that are freed, until the collector looks at them. Python's
own number is 700: a few connections, nearly all of whose objects stay for as long as they do."""


@contextmanager
def loading() -> Iterator[None]:
    """Collect no garbage inside of the `with` statement, which contains only imports."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def collect_seldom() -> None:
    """Collect garbage less often from here on, and never look at what is in memory now."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS)
