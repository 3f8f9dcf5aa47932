"""What processes that a server starts find in their environment: none of its secrets.

The environment of a process stays readable to its user for as long as it runs, and lands in crash
reports. Workers get their settings and credentials over a pipe.
"""

from __future__ import annotations

import os

__all__ = ["redis_environ", "worker_environ"]

_OWN = "SYNCLINE_"

_NEEDED = ("PATH", "HOME", "TMPDIR", "LANG", "LC_", "TZ", "LD_", "DYLD_", "FAKETIME", "MALLOC_")
"""What the names begin with that a program in C may need."""


def worker_environ() -> dict[str, str]:
    """All but the settings and credentials of the server."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_OWN)}


def redis_environ() -> dict[str, str]:
    """What finds libraries, times and languages, and nothing else."""
    return {name: value for name, value in os.environ.items() if name.startswith(_NEEDED)}
