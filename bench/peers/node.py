"""Commands and versions of the peers on Node; bench/package.json lists their packages."""

from __future__ import annotations

import json
import shutil
import subprocess

from bench.harness.target import Command, Missing

from .places import MODULES, PROGRAMS

__all__ = ["node_command", "node_versions"]


def node_command(program: str, *arguments: object) -> Command:
    """Command that runs a program of bench/peers/programs or of an installed package.

    Raises:
        Missing: Node is not installed.
    """
    path = MODULES / program if "/" in program else PROGRAMS / program
    return Command([_node(), str(path), *map(str, arguments)], {"NODE_ENV": "production"})


def node_versions(*packages: str) -> dict[str, str]:
    """Versions of the packages and of Node.

    Raises:
        Missing: Node or a package is not installed.
    """
    version_line = subprocess.run(
        [_node(), "--version"], capture_output=True, text=True, check=True
    )
    versions = {package: _version(package) for package in packages}
    return {**versions, "node": version_line.stdout.strip().removeprefix("v")}


def _node() -> str:
    found = shutil.which("node")
    if found is None:
        raise Missing("node is not on PATH")
    return found


def _version(package: str) -> str:
    manifest = MODULES / package / "package.json"
    if not manifest.exists():
        raise Missing(f"{package} is not in {MODULES}: run npm ci there")
    version: str = json.loads(manifest.read_bytes())["version"]
    return version
