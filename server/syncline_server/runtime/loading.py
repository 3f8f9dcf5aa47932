"""Imports without garbage collection.

Modules make many objects when they are loaded, and nearly all of them stay. Looking for garbage
among them takes a sixth of the start of a process.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["loading"]


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
