"""Files that nobody but their owner may read: those that hold secrets."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from .validation import SettingError

__all__ = ["read_private", "write_private"]


def read_private(path: Path) -> bytes:
    """What the file holds.

    Raises:
        FileNotFoundError: there is none.
        SettingError: others may read or write it, or it cannot be read; one line.
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
            f"{path} holds secrets and must be its owner's alone, mode 600, not {mode:o}: "
            f"chmod 600 {path}"
        )
    return content


def write_private(path: Path, text: str) -> None:
    """Make the file, mode 600; where there is one already, that one stays.

    Written aside and linked, so that a crash leaves no half of it, and of two servers that start at
    once the second takes what the first made. The mode is set before there is content.
    """
    aside = path.with_suffix(f".{os.getpid()}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        os.unlink(aside)  # the disk is full: nothing half-written stays
        raise
    try:
        os.link(aside, path)
        os.unlink(aside)
    except FileExistsError:
        os.unlink(aside)
    except OSError:  # this file system has no links
        os.replace(aside, path)
