"""Starts `syncline` without the half second that each start of the installed command loads modules.

A process of this test run has the modules loaded, and forks; see `support.fork_server`. What it
starts differs from the installed command in what others see of the process: `/proc` shows the
command line and the environment of the process that forked.
"""

from __future__ import annotations

import atexit
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Lock
from typing import IO

import orjson

from .fork_server import LENGTH

__all__ = ["ForkedProcess", "Start", "fork_command"]

_TESTS = Path(__file__).parents[1]


@dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """How to start `syncline`.

    Attributes:
        arguments: after the name of the command.
        environ: the whole environment.
        stderr: file descriptor, which the caller closes.
        terminal: file descriptor for stdin and stdout; None: stdin is empty, and stdout a pipe.
        open_files: limit of open files; None keeps the limit of this process.
    """

    arguments: Sequence[str]
    environ: Mapping[str, str]
    stderr: int
    terminal: int | None = None
    open_files: int | None = None


class ForkedProcess:
    """A process that another one forked, with the methods of `subprocess.Popen`.

    Attributes:
        pid: its process id.
        returncode: its exit status, negative for a signal; None until a method finds that it ended.
        stdout: pipe that the caller reads; None on a terminal.
    """

    def __init__(self, report: int, stdout: IO[bytes] | None) -> None:
        """`report`: pipe with its id and its exit status."""
        self._report = open(report, "rb", buffering=0)
        self.pid = int(self._report.readline())
        self.returncode: int | None = None
        self.stdout = stdout

    def poll(self) -> int | None:
        """Its exit status; None while it runs."""
        if self.returncode is None and select.select([self._report], [], [], 0)[0]:
            self._take_status()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended, and return its exit status."""
        if self.returncode is None:
            if not select.select([self._report], [], [], timeout)[0]:
                assert timeout is not None
                raise subprocess.TimeoutExpired("syncline", timeout)
            self._take_status()
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal; do nothing if it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def _take_status(self) -> None:
        with self._report:
            self.returncode = int(self._report.readline())


def fork_command(start: Start) -> ForkedProcess:
    """Run `syncline` in a forked process."""
    body = orjson.dumps(
        {
            "arguments": start.arguments,
            "environ": start.environ,
            "directory": os.getcwd(),
            "open_files": start.open_files,
        }
    )
    reads, report = os.pipe()
    with ExitStack() as ours:
        ours.callback(os.close, report)
        output = None
        if start.terminal is None:
            stdin = os.open(os.devnull, os.O_RDONLY)
            ours.callback(os.close, stdin)
            output, stdout = os.pipe()
            ours.callback(os.close, stdout)
        else:
            stdin = stdout = start.terminal
        _fork_server().ask(body, [stdin, stdout, start.stderr, report])
    return ForkedProcess(reads, None if output is None else open(output, "rb"))


class _ForkServer:
    """The process that forks. It ends with this one, which alone has the other end of its stdin."""

    def __init__(self) -> None:
        self._requests, theirs = socket.socketpair()
        self._lock = Lock()  # tests start servers in threads
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", f"{__package__}.fork_server"],
                cwd=_TESTS,
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C ends the test run first
            )
        atexit.register(self._stop)

    def _stop(self) -> None:
        self._requests.close()
        self._process.wait()

    def ask(self, body: bytes, descriptors: list[int]) -> None:
        with self._lock:
            socket.send_fds(self._requests, [len(body).to_bytes(LENGTH)], descriptors)
            self._requests.sendall(body)


_fork_server = cache(_ForkServer)
