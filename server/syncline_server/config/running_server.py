"""The URL of the server that runs on a data directory, for commands on this machine.

The server writes it into a file when it is ready, keeps a lock on that file while it runs, and
removes it at its end. A file without a lock is that of a server that was killed.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

__all__ = ["FILE_NAME", "RunningUrl", "find_running_url"]

FILE_NAME = "server.json"

SIZE_LIMIT = 4096
"""Maximum bytes of the file that are read."""


class RunningUrl:
    """The file of one server; several servers may share a data directory, the first has the file.

    A file that cannot be written is no reason to stop: commands then need `--url`.
    """

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / FILE_NAME
        self._file: IO[str] | None = None

    def write(self, url: str) -> None:
        """Write the URL, unless another server has the file."""
        with suppress(OSError):
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            file = os.fdopen(descriptor, "r+")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                file.close()
                return
            file.truncate(0)
            json.dump({"url": url, "process": os.getpid()}, file)
            file.flush()
            self._file = file

    def remove(self) -> None:
        """Remove the file, if this server wrote it."""
        if self._file is not None:
            # First the name, then the lock: another server must not get the lock of a file that
            # is about to lose its name.
            with suppress(OSError):
                self._path.unlink()
            self._file.close()
            self._file = None


def find_running_url(data_dir: Path) -> str | None:
    """The URL of the server that runs on `data_dir`; None if none does, or it cannot be known.

    Credentials are sent there, so a file that is another user's is not believed.
    """
    with suppress(OSError, ValueError, KeyError, TypeError), _opened(data_dir / FILE_NAME) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_uid not in (0, os.geteuid()):
            return None
        if not _is_locked(file):
            return None
        url = json.loads(file.read(SIZE_LIMIT))["url"]
        if isinstance(url, str) and urlsplit(url).scheme in ("http", "https"):
            return url
    return None


@contextmanager
def _opened(path: Path) -> Iterator[IO[str]]:
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)) as file:
        yield file


def _is_locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False
