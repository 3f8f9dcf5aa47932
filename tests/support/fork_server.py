"""The process that `support.forking` starts: it loads the modules of `syncline` once, and forks.

It reads from the socket that is its stdin. Each request has the file descriptors for stdin, stdout
and stderr of the new process, and one for a pipe on which its id and, later, its exit status are
written. It ends when the other end of the socket is closed, and all its processes with it.
"""

from __future__ import annotations

import gc
import io
import os
import resource
import selectors
import signal
import socket
import sys
from importlib import import_module
from typing import Any

import orjson

from syncline_server.runtime.loading import loading

__all__ = ["LENGTH"]

LENGTH = 4
"""Bytes that contain the length of a request."""

_MODULES = (
    "syncline_server.cli.program",
    "syncline_server.cli.serve",
    "syncline_server.runtime.serve",
    "syncline_server.runtime.app",
    "syncline_server.runtime.server",
    "syncline_server.cli.doc",
)
"""What `syncline serve` loads until it is ready, and `syncline doc` at its start."""


def main() -> None:
    """Fork for each request; in a forked process, run `syncline`."""
    with loading():
        for name in _MODULES:
            import_module(name)
    gc.collect()
    gc.freeze()  # otherwise the first collection in each process copies the memory of all modules
    request = _Forks(socket.socket(fileno=os.dup(0))).run()
    if request is not None:
        _run_command(request)


def _run_command(request: dict[str, Any]) -> None:
    os.environ.clear()
    os.environ.update(request["environ"])
    os.chdir(request["directory"])
    if request["open_files"] is not None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (request["open_files"],) * 2)
    for stream in (sys.stdout, sys.stderr):
        assert isinstance(stream, io.TextIOWrapper)
        stream.reconfigure(line_buffering=stream.isatty() or stream is sys.stderr)
    sys.argv = ["syncline", *request["arguments"]]
    import_module("syncline_server.cli").main()


class _Forks:
    """Forks, and reports how the forked processes end."""

    def __init__(self, requests: socket.socket) -> None:
        self._requests = requests
        self._reports: dict[int, int] = {}  # file descriptors, by process
        self._woken, self._wakes = os.pipe()
        os.set_blocking(self._wakes, False)
        signal.set_wakeup_fd(self._wakes)
        signal.signal(signal.SIGCHLD, _ignore)

    def run(self) -> dict[str, Any] | None:
        """Return None when nobody asks any more, and a request in the process forked for it."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._requests, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fd == self._woken:
                        os.read(self._woken, 4096)
                        self._report_ended()
                    elif (received := self._receive()) is None:
                        self._end_all()
                        return None
                    elif self._fork(received[1]):
                        return received[0]

    def _receive(self) -> tuple[dict[str, Any], list[int]] | None:
        header, descriptors, _, _ = socket.recv_fds(self._requests, LENGTH, 4)
        if not header:
            return None
        body = self._requests.recv(int.from_bytes(header), socket.MSG_WAITALL)
        return orjson.loads(body), descriptors

    def _fork(self, descriptors: list[int]) -> bool:
        """Fork; True in the new process."""
        *standard, report = descriptors
        pid = os.fork()
        if pid == 0:
            self._become_child(descriptors)
            return True
        for descriptor in standard:
            os.close(descriptor)
        self._reports[pid] = report
        os.write(report, b"%d\n" % pid)
        return False

    def _become_child(self, descriptors: list[int]) -> None:
        *standard, report = descriptors
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        for number, descriptor in enumerate(standard):
            os.dup2(descriptor, number)
        own = self._requests.detach(), self._woken, self._wakes
        for descriptor in (*standard, report, *own, *self._reports.values()):
            os.close(descriptor)

    def _end_all(self) -> None:
        """End what still runs: a test run that was killed has stopped none of its servers."""
        for pid in self._reports:
            os.kill(pid, signal.SIGTERM)

    def _report_ended(self) -> None:
        while self._reports:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            report = self._reports.pop(pid)
            try:
                os.write(report, b"%d\n" % os.waitstatus_to_exitcode(status))
            except BrokenPipeError:
                pass  # nobody waits for it
            finally:
                os.close(report)


def _ignore(_number: int, _frame: object) -> None:
    """Do nothing: the signal only ends the wait."""


if __name__ == "__main__":
    main()
