"""Runs `syncline` on a pseudo-terminal and records every byte."""

from __future__ import annotations

import os
import pty
from collections.abc import Callable, Mapping

from .forking import Start, fork_command

__all__ = ["on_terminal"]


def on_terminal(
    *arguments: str,
    environ: Mapping[str, str],
    on_output: Callable[[bytes], None] = lambda written: None,
) -> tuple[int, str]:
    """Run `syncline` with a colour terminal as stdin, stdout and stderr.

    Args:
        environ: the whole environment, except the variables that describe the terminal.
        on_output: called with the whole output so far, each time more output arrives.

    Returns:
        exit status and output.
    """
    ours, theirs = pty.openpty()
    shown = {**environ, "TERM": "xterm-256color", "COLUMNS": "100"}
    process = fork_command(
        Start(arguments=arguments, environ=shown, terminal=theirs, stderr=theirs)
    )
    os.close(theirs)
    written = _read_all(ours, on_output)
    return process.wait(), written.decode().replace("\r\n", "\n")


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
