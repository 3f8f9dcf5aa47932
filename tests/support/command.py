"""Runs the command `syncline` in the process of the test."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import pytest

from syncline_server.cli.program import run

__all__ = ["CommandLine", "Outcome"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Exit status and output of a command."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[Any]:
        """The JSON value of each line on stdout."""
        return [orjson.loads(line) for line in self.out.splitlines()]

    @property
    def value(self) -> Any:
        """The JSON value of the only line on stdout; the command must have succeeded."""
        assert self.status == 0, self.err
        (value,) = self.lines
        return value


class CommandLine:
    """Calls `syncline` as a shell does whose stdout is a pipe.

    Attributes:
        environ: environment variables that are set in every call.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.environ: dict[str, str] = {}
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(
        self, *arguments: str, stdin: bytes = b"", environ: Mapping[str, str] | None = None
    ) -> Outcome:
        """Run `syncline` with these arguments."""
        self._capsys.readouterr()
        with self._monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["syncline", *arguments])
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
            for name, value in {**self.environ, **(environ or {})}.items():
                patch.setenv(name, value)
            before = dict(os.environ)
            try:
                status = run()
            finally:
                # The command adds what profiles and the files of secrets contain.
                for name in os.environ.keys() - before:
                    del os.environ[name]
        written = self._capsys.readouterr()
        return Outcome(status, written.out, written.err)
