"""Environment of child processes, without the server's secrets.

The environment of a running process is readable by its user, and ends up in crash reports. Workers
get their settings and credentials over a pipe instead.
"""

from __future__ import annotations

import os

__all__ = ["redis_environ", "worker_environ"]

_OWN = "SYNCLINE_"

_NEEDED = ("PATH", "HOME", "TMPDIR", "LANG", "LC_", "TZ", "LD_", "DYLD_", "FAKETIME", "MALLOC_")
"""Prefixes of the variables that a program in C may need."""


def worker_environ() -> dict[str, str]:
    """The environment of a worker: all but the server's settings and credentials."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_OWN)}


def redis_environ() -> dict[str, str]:
    """The environment of the embedded Redis: only paths, libraries, time zone and language."""
    return {name: value for name, value in os.environ.items() if name.startswith(_NEEDED)}
