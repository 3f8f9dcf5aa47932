"""The load client: a child process that runs a script and then takes commands on stdin."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from .target import Site

__all__ = ["BUILD", "LOAD", "Load", "LoadError", "group"]

BUILD = Path(__file__).parents[1] / "build"
LOAD = BUILD / "load"


class LoadError(Exception):
    """The load client failed; the text is its stderr."""


def group(name: str, count: int, site: Site, lines: list[str], each: int = 1) -> list[str]:
    """Script of a group: `count` connections to a site, each with `each` of its documents."""
    return [
        f"group {name} {count}",
        f"to 127.0.0.1:{site.port}",
        f"documents {site.documents}",
        f"each {each}",
        *lines,
    ]


class Load:
    """A running load client whose connections have completed the steps of the script."""

    def __init__(
        self,
        directory: Path,
        script: list[str],
        *,
        connecting: int = 100,
        first_address: int = 0,
    ) -> None:
        """
        Args:
            directory: directory for the script.
            connecting: connections that are opened at the same time.
            first_address: which source address it uses first; one has ports for 20,000
                connections, and several load clients must not share one.

        Raises:
            LoadError: the connections could not be opened.
        """
        path = directory / f"load-{first_address}.txt"
        path.write_text("\n".join(script) + "\n")
        options = ["--connecting", str(connecting), "--first-address", str(first_address)]
        self._process = subprocess.Popen(
            [str(LOAD), *options, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        try:
            self.ready = self._read("ready")
        except BaseException:
            self.close()
            raise

    def publish(
        self, pace: str, amount: int, seconds: float, events: int | None = None
    ) -> dict[str, Any]:
        """Let the writers publish; return the counts when all events have arrived or are lost.

        Args:
            events: stop after this many events, even if `seconds` have not passed; None for no
                limit.
        """
        limit = "" if events is None else f" events {events}"
        self._send_line(f"publish {pace} {amount} seconds {seconds}{limit}")
        return self._read("result")

    def listen(self) -> None:
        """Start counting."""
        self._send_line("listen")

    def report(self) -> dict[str, Any]:
        """The counts since `listen`."""
        self._send_line("report")
        return self._read("result")

    def close(self) -> None:
        """Cut all connections."""
        self._process.kill()
        self._process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _send_line(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{line}\n")
        except OSError:
            raise LoadError(self._last_words()) from None

    def _read(self, wanted: str) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise LoadError(self._last_words())
        found: dict[str, Any] = json.loads(line)[wanted]
        return found

    def _last_words(self) -> str:
        assert self._process.stderr is not None
        return self._process.stderr.read().strip()
