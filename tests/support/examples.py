"""Programs of `examples/`, run as their READMEs say."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from support.limits import WAIT_LIMIT
from support.server import RunningServer, clean_environ

__all__ = ["EXAMPLES", "NODE_MODULES", "ROOT", "Program", "environ_for", "run"]

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
NODE_MODULES = ROOT / "node_modules"

_URL = re.compile(r"http://127\.0\.0\.1:\d+")


def environ_for(server: RunningServer, service: str) -> dict[str, str]:
    """The variables by which an example finds the server, and a service of its own on it."""
    found = {"SYNCLINE_URL": server.url, "SYNCLINE_SERVICE": service, **server.account_environ}
    return clean_environ(found) | {"PYTHONUNBUFFERED": "1"}


def run(*command: str | Path, environ: Mapping[str, str]) -> str:
    """Run a program that ends by itself; what it printed."""
    done = subprocess.run(
        command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


class Program:
    """A program that serves until the end of the `with` block.

    Attributes:
        url: the URL that it printed once it accepted connections, without a slash at its end.
    """

    def __init__(self, *command: str | Path, environ: Mapping[str, str], log: Path) -> None:
        """Start it and wait for its URL; `log` receives what it prints."""
        self.log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                env=environ,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        self.url = self._await_url()

    @property
    def output(self) -> str:
        """What it has printed so far."""
        return self.log.read_text()

    def _await_url(self) -> str:
        deadline = time.monotonic() + WAIT_LIMIT
        while (found := _URL.search(self.output)) is None:
            if self._process.poll() is not None or time.monotonic() >= deadline:
                self.__exit__(None, None, None)
                raise RuntimeError(f"it printed no URL: {self.output}")
            time.sleep(0.02)
        return found[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(WAIT_LIMIT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise
