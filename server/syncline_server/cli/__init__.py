"""Entry point of the command `syncline`.

This module imports only what the base install has, so that it can name a missing package.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec

from syncline_server.runtime.loading import loading

__all__ = ["main"]

_SERVER_EXTRA = ("starlette", "uvicorn", "redis", "jwt", "click", "rich")
"""Modules of the extra `server` that the command line imports."""


def main() -> None:
    """Run the command that `sys.argv` names, and exit with its status."""
    for module in _SERVER_EXTRA:
        if find_spec(module) is None:
            print(f"{module} is missing: pip install 'syncline[server]'", file=sys.stderr)
            sys.exit(2)
    with loading():
        from .program import run
    sys.exit(run())
