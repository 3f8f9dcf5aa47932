"""Reading and writing of secret files, which only their owner may access."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from .validation import SettingError

__all__ = ["read_secret_file", "write_secret_file"]


def read_secret_file(path: Path) -> bytes:
    """The content of the file.

    Raises:
        FileNotFoundError: the file does not exist.
        SettingError: other users may read or write the file, or it cannot be read; one line.
    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            content = file.read()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise SettingError(f"{path} cannot be read: {error.strerror}") from None
    if mode & 0o077:
        raise SettingError(
            f"{path} holds secrets, so it must be private to its owner, mode 600, not {mode:o}: "
            f"chmod 600 {path}"
        )
    return content


def write_secret_file(path: Path, text: str) -> None:
    """Create the file with mode 600; an existing file stays unchanged.

    The text is written to a temporary file, which is then linked to `path`. So a crash leaves no
    partial file, and of two servers that start at once the second uses the file of the first. The
    mode is set before there is content.
    """
    temporary = path.with_suffix(f".{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        os.unlink(temporary)  # the disk is full, for example: leave no partial file
        raise
    try:
        os.link(temporary, path)
        os.unlink(temporary)
    except FileExistsError:
        os.unlink(temporary)
    except OSError:  # this file system has no hard links
        os.replace(temporary, path)
