"""npm packages of this repository, packed as they would be published."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

__all__ = ["NODE_MODULES", "create_project", "pack", "run_in"]

_ROOT = Path(__file__).parents[2]

NODE_MODULES = _ROOT / "node_modules"


def run_in(directory: Path, *command: str | Path) -> str:
    """Run a command in a directory; what it printed. If it fails, the error has its output."""
    done = subprocess.run(
        command, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def pack(client: str, directory: Path) -> Path:
    """Build the package of `clients/NAME` in an empty directory, and pack it; the tarball."""
    built = directory / "package"
    run_in(directory, "node", _ROOT / "clients" / client / "build.js", built)
    run_in(built, "npm", "pack", "--ignore-scripts", "--no-update-notifier", "--silent")
    [tarball] = built.glob("*.tgz")
    return tarball


def create_project(directory: Path, *tarballs: Path) -> None:
    """Make a project that has these packages installed, without the network."""
    (directory / "package.json").write_text(json.dumps({"private": True, "type": "module"}))
    flags = ("--offline", "--no-audit", "--no-fund", "--ignore-scripts", "--no-update-notifier")
    run_in(directory, "npm", "install", *flags, *tarballs)
