"""Clients that contend for one document, in several processes, none of them the server's.

A program of such clients gets its number of clients and the seconds as its last arguments. It
prints `ready` once they are connected, waits for a line on its standard input, lets them contend,
and prints a line of JSON: `commits`, `attempts`, `seconds`; `cpu`, the CPU seconds of the program;
`mean_wait` and `longest_wait` of one client for one change, in seconds; and `value`, the number in
the document at the end.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from threading import Timer

from .target import Command

__all__ = ["PROCESSES", "connected_contenders"]

PROCESSES = 4
"""Processes of clients, so that the server is what is measured, not one process of clients."""

Figures = dict[str, float]

CONTENTION_LIMIT = 120
"""Seconds after which programs that still contend are killed, and so have failed."""


@contextmanager
def connected_contenders(
    command: Callable[[int], Command], clients: int
) -> Iterator[Callable[[], Figures]]:
    """Connect the clients of one program, spread over `PROCESSES` processes.

    Args:
        command: makes the command of a process with so many clients.

    Yields:
        a function that lets them contend, and returns the figures of all processes together.

    Raises:
        Missing: the program cannot run here.
        RuntimeError: the program failed; the text is the last line of its stderr.
    """
    shares = [clients // PROCESSES + (n < clients % PROCESSES) for n in range(PROCESSES)]
    with ExitStack() as stack:
        running = [_start(command(share), stack) for share in shares if share]
        for each in running:
            _read(each, "ready")

        def contend() -> Figures:
            for each in running:
                assert each.stdin is not None
                each.stdin.write("go\n")
                each.stdin.flush()
            late = Timer(CONTENTION_LIMIT, _kill_all, [running])
            late.start()
            try:
                return _sum([json.loads(_read(each, "{")) for each in running])
            finally:
                late.cancel()

        yield contend


def _start(command: Command, stack: ExitStack) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    environment = {**os.environ, **command.environment}
    process = subprocess.Popen(
        command.argv, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True
    )
    stack.enter_context(process)
    stack.callback(process.kill)
    return process


def _kill_all(processes: Iterable[subprocess.Popen[str]]) -> None:
    for each in processes:
        each.kill()


def _read(process: subprocess.Popen[str], beginning: str) -> str:
    """Read lines up to the first with this beginning, and return that."""
    assert process.stdout is not None and process.stderr is not None
    for line in process.stdout:
        if line.startswith(beginning):
            return line
    error = process.stderr.read().strip().rpartition("\n")[2]
    raise RuntimeError(error or f"no end within {CONTENTION_LIMIT} s")


def _sum(figures: Iterable[Figures]) -> Figures:
    parts = list(figures)
    commits = sum(each["commits"] for each in parts)
    return {
        "commits": commits,
        "attempts": sum(each["attempts"] for each in parts),
        "cpu": sum(each["cpu"] for each in parts),
        "seconds": max(each["seconds"] for each in parts),
        "mean_wait": sum(each["mean_wait"] * each["commits"] for each in parts) / commits,
        "longest_wait": max(each["longest_wait"] for each in parts),
        "value": max(each["value"] for each in parts),
    }
