"""Runs `syncline … watch` as a process of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson

from support.server import SYNCLINE, RunningServer, clean_environ

__all__ = ["Watching", "watching"]


class Watching:
    """A running `syncline … watch`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def next_line(self) -> Any:
        """The next JSON line, which is awaited."""
        assert self.process.stdout is not None
        return orjson.loads(self.process.stdout.readline())

    def next_message(self) -> str:
        """The next line on stderr, which is awaited."""
        assert self.process.stderr is not None
        return self.process.stderr.readline()

    def end(self) -> tuple[int, str, str]:
        """Exit status and the rest of both streams, once it has ended."""
        out, err = self.process.communicate()
        return self.process.returncode, out, err


@contextmanager
def watching(server: RunningServer, group: str, name: str, *options: str) -> Iterator[Watching]:
    """Run `syncline GROUP watch NAME`."""
    environ = {"SYNCLINE_URL": server.url, "SYNCLINE_DATA_DIR": str(server.data_dir)}
    with subprocess.Popen(
        [SYNCLINE, group, "watch", name, *options],
        env=clean_environ(environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Watching(process)
        finally:
            process.kill()
