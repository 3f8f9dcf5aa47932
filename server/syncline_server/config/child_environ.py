"""Environment of child processes, without the server's secrets.

The environment of a running process is readable by its user, and ends up in crash reports. Workers
get their settings and credentials over a pipe instead.
"""

from __future__ import annotations

import os

__all__ = ["ALLOCATOR", "redis_environ", "worker_environ"]

_OWN = "SYNCLINE_"

ALLOCATOR = {"GLIBC_TUNABLES": "glibc.malloc.mxfast=0:glibc.malloc.tcache_count=2000"}
"""For a Redis that uses the allocator of glibc, as the embedded one does.

A thread frees large values in the background. Without fast bins, small blocks are merged when they
are freed. With them, the thread merged hundreds of thousands at once, and every commit waited for
the lock of the allocator: up to 60 ms. A larger cache of each thread needs that lock less often.
"""

_NEEDED = (
    "PATH",
    "HOME",
    "TMPDIR",
    "LANG",
    "LC_",
    "TZ",
    "LD_",
    "DYLD_",
    "FAKETIME",
    "MALLOC_",
    "GLIBC_",
)
"""Prefixes of the variables that a program in C may need."""


def worker_environ() -> dict[str, str]:
    """The environment of a worker: all but the server's settings and credentials."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_OWN)}


def redis_environ() -> dict[str, str]:
    """The environment of the embedded Redis: only paths, libraries, time zone and language, and how
    it allocates memory."""
    inherited = {name: value for name, value in os.environ.items() if name.startswith(_NEEDED)}
    return ALLOCATOR | inherited
