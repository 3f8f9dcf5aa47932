"""A clean Python environment: the packages of some distributions, linked from this one."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from collections.abc import Iterable
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

__all__ = ["Environment"]


class Environment:
    """An environment that has wheels, and exactly what they require; nothing is downloaded.

    Attributes:
        python: its interpreter.
    """

    def __init__(self, directory: Path, wheels: Iterable[Path]) -> None:
        venv.create(directory, with_pip=False, symlinks=True)
        self.python = directory / "bin" / "python"
        self._packages = next((directory / "lib").glob("python*/site-packages"))
        for wheel in wheels:
            self._pip("install", "--no-deps", "--no-index", "--quiet", str(wheel))

    def require(self, requirements: Iterable[str]) -> None:
        """Link the distributions that are required, and what those require."""
        waiting, seen = [Requirement(each) for each in requirements], set[str]()
        while waiting:
            required = waiting.pop()
            extras = required.extras or {""}
            marker = required.marker
            if marker and not any(marker.evaluate({"extra": each}) for each in extras):
                continue
            found = distribution(required.name)
            name = f"{found.name} {sorted(extras)}"
            if name not in seen:
                seen.add(name)
                self._link(found)
                waiting += _required(found, extras)

    def check(self) -> None:
        """Fail if a requirement of an installed distribution is not met."""
        self._pip("check")

    def run(self, program: str, *arguments: str) -> str:
        """What a program prints; it must succeed."""
        ended = subprocess.run(
            [self.python, "-c", program, *arguments],
            cwd=self.python.parent,
            env={"PATH": "", "HOME": str(self.python.parent)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    def _link(self, found: Distribution) -> None:
        for top in {file.parts[0] for file in found.files or ()} - {"..", "__pycache__"}:
            source, target = Path(str(found.locate_file(top))), self._packages / top
            if not target.exists():
                os.symlink(source, target)

    def _pip(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "pip", "--python", str(self.python), *arguments]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stdout + ended.stderr


def _required(found: Distribution, extras: Iterable[str]) -> list[Requirement]:
    """The requirements of a distribution with these extras, without markers."""
    chosen = []
    for each in found.requires or ():
        required = Requirement(each)
        if not required.marker or any(required.marker.evaluate({"extra": e}) for e in extras):
            required.marker = None
            chosen.append(required)
    return chosen
