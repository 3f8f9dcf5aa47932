"""The command `syncline`.

This module imports nothing that the base install lacks, so that it can say what is missing.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec

__all__ = ["main"]

_SERVER_EXTRA = ("starlette", "uvicorn", "redis", "jwt", "click", "rich")
"""Modules that come only with the extra, as far as the command line needs them."""


def main() -> None:
    """Run the command that `sys.argv` names, and end the process with its exit status."""
    for module in _SERVER_EXTRA:
        if find_spec(module) is None:
            print(f"{module} is missing: pip install 'syncline[server]'", file=sys.stderr)
            sys.exit(2)
    from .program import run

    sys.exit(run())
