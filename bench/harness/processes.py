"""Starts and stops the processes of targets, and reads their CPU time and memory from /proc."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

from .target import Command

__all__ = ["STORES", "Process", "free_ports"]

START_TIMEOUT = 60.0
STOP_TIMEOUT = 15.0
POLL_INTERVAL = 0.005
"""Seconds: limits for start and stop, and the pause between checks whether a port is open."""

PORTS = 10
"""Number of consecutive ports for one target."""

STORES = ("redis-server", "valkey-server")
"""Names of child processes that do not count as the server."""

TICK = os.sysconf("SC_CLK_TCK")


class Process:
    """A server process on 127.0.0.1 with its child processes."""

    def __init__(self, command: Command, port: int, log: Path) -> None:
        """Start the process, and wait until it accepts connections on `port`.

        Raises:
            RuntimeError: it ended or was not ready in time; the text contains the end of its log.
        """
        self._log = log
        began = time.monotonic()
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                list(command.argv),
                env={**os.environ, **command.environment},
                cwd=command.directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._wait_until_ready(port)
        except BaseException:
            self.stop()
            raise
        self.start_seconds = time.monotonic() - began

    def cpu(self) -> float:
        """CPU seconds (user and system) so far, including children that have ended."""
        return sum(_cpu(each) for each in self._tree())

    def waited(self) -> float:
        """Seconds so far in which its threads could run, and waited for a processor."""
        return sum(_scheduled(each)[1] for each in self._tree())

    def memory(self) -> int:
        """Memory of the processes in bytes (proportional set size)."""
        return sum(_pss(each) for each in self._tree())

    def stop(self) -> None:
        """End the process and its children."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            pass
        try:
            # The process has its own session, so this also ends children that are left.
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._process.wait()

    def _tree(self) -> list[int]:
        found, wanted = [], [self._process.pid]
        while wanted:
            process = wanted.pop()
            found.append(process)
            wanted += [each for each in _children(process) if _name(each) not in STORES]
        return found

    def _wait_until_ready(self, port: int) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while not _accepts(port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                last = self._log.read_text(errors="replace").splitlines()[-3:]
                raise RuntimeError(f"it did not start: {' '.join(last)}")
            time.sleep(POLL_INTERVAL)


def free_ports() -> int:
    """First of `PORTS` consecutive free ports, below the range for outgoing connections."""
    first = int(os.environ.get("BENCH_PORT", "20000"))
    for port in range(first, 32_000, PORTS):
        if port not in _given and not any(_accepts(each) for each in range(port, port + PORTS)):
            _given.add(port)
            return port
    raise RuntimeError("there are no free ports")


_given: set[int] = set()


def _accepts(port: int) -> bool:
    with socket.socket() as attempt:
        attempt.settimeout(1)
        return attempt.connect_ex(("127.0.0.1", port)) == 0


def _name(process: int) -> str:
    try:
        return Path(f"/proc/{process}/comm").read_text().strip()
    except OSError:
        return ""


def _children(process: int) -> list[int]:
    found: list[int] = []
    for path in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            found += map(int, path.read_text().split())
        except OSError:
            pass  # the thread has ended
    return found


def _cpu(process: int) -> float:
    """CPU seconds: exact for threads that run, in clock ticks for ended children."""
    try:
        text = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return 0.0
    # Count the fields after the process name, which may contain spaces.
    fields = text.rpartition(")")[2].split()
    return _scheduled(process)[0] + sum(map(int, fields[13:15])) / TICK


def _scheduled(process: int) -> tuple[float, float]:
    """Seconds that the running threads have used a processor, and have waited for one."""
    used = waited = 0
    for path in Path(f"/proc/{process}/task").glob("*/schedstat"):
        try:
            now_used, now_waited, _ = map(int, path.read_text().split())
        except OSError:
            continue  # the thread has ended
        used += now_used
        waited += now_waited
    return used / 1e9, waited / 1e9


def _pss(process: int) -> int:
    try:
        text = Path(f"/proc/{process}/smaps_rollup").read_text()
    except OSError:
        return 0
    line = next(line for line in text.splitlines() if line.startswith("Pss:"))
    return int(line.split()[1]) * 1024
