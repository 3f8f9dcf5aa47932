"""Commands and versions of the peers in Python, which run in this environment."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version

from bench.harness.target import Command, Missing

from .places import ROOT

__all__ = ["python_command", "python_versions"]


def python_command(program: str, *arguments: object) -> Command:
    """Command that runs a module of bench/peers/programs."""
    module = f"bench.peers.programs.{program}"
    return Command([sys.executable, "-m", module, *map(str, arguments)], directory=ROOT)


def python_versions(*packages: str) -> dict[str, str]:
    """Versions of the packages and of Python.

    Raises:
        Missing: a package is not installed.
    """
    try:
        versions = {package: version(package) for package in packages}
    except PackageNotFoundError as problem:
        raise Missing(f"{problem.name} is not installed: run make bench") from problem
    return {**versions, "python": platform.python_version()}
