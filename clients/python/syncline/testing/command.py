"""How to start `syncline` on this machine."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from importlib.util import find_spec

__all__ = ["VARIABLE", "ServerMissing", "find_command"]

VARIABLE = "SYNCLINE_COMMAND"
"""Environment variable with a command line to use instead."""


class ServerMissing(RuntimeError):
    """There is no server on this machine; the text says how to install it."""


def find_command() -> list[str]:
    """The program and its first arguments, to which `serve` is added.

    The first of: the variable `SYNCLINE_COMMAND`, the package in this environment, `syncline` on
    PATH.

    Raises:
        ServerMissing: none of these is there.
    """
    if given := os.environ.get(VARIABLE):
        return shlex.split(given)
    if find_spec("syncline_server") is not None:
        return [sys.executable, "-m", "syncline_server"]
    if found := shutil.which("syncline"):
        return [found]
    raise ServerMissing(
        "syncline.testing needs the server, which is not installed: pip install 'syncline[server]' "
        f"(or name another command in {VARIABLE})"
    )
