"""Runs a command on a pseudo-terminal and records every byte."""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

__all__ = ["on_terminal"]


def on_terminal(
    *command: str | Path,
    environ: Mapping[str, str],
    on_output: Callable[[bytes], None] = lambda written: None,
) -> tuple[int, str]:
    """Run a command whose stdin, stdout and stderr are one colour terminal.

    Args:
        environ: the whole environment, except the variables that describe the terminal.
        on_output: called with the whole output so far, each time more output arrives.

    Returns:
        exit status and output.
    """
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command,
        env={**environ, "TERM": "xterm-256color", "COLUMNS": "100"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        written = _read_all(ours, on_output)
    return process.returncode, written.decode().replace("\r\n", "\n")


def _read_all(terminal: int, on_output: Callable[[bytes], None]) -> bytes:
    written = bytearray()
    with os.fdopen(terminal, "rb", buffering=0) as file:
        while True:
            try:
                chunk = file.read(4096)
            except OSError:  # Linux raises it when the other side is closed
                return bytes(written)
            if not chunk:
                return bytes(written)
            written += chunk
            on_output(bytes(written))
