"""`--test-clock` in the data directory: the offset that its dates and revisions may have."""

from __future__ import annotations

import logging
from pathlib import Path

from .clock import clock
from .settings import Settings
from .validation import SettingError

__all__ = ["prepare_clock", "save_offset"]

logger = logging.getLogger("syncline.settings")

FILE_NAME = "test-clock"
"""Has the offset in milliseconds. A server without `--test-clock` refuses a directory that has this
file: what is stored there may be ahead of the real time."""


def prepare_clock(settings: Settings) -> None:
    """Make the clock of this process movable if the settings say so.

    Raises:
        SettingError: the data directory was used the other way.
    """
    file = settings.data_dir / FILE_NAME
    if not settings.test_clock:
        if settings.redis_url is None and file.exists():
            raise SettingError(
                f"--data-dir {settings.data_dir} was used with --test-clock, so its dates and "
                "revisions may be ahead of the real time; choose another directory"
            )
        return
    if (settings.data_dir / "redis").exists() and not file.exists():
        raise SettingError(
            f"--test-clock needs a data directory of its own, and {settings.data_dir} has data of "
            "a server without it; choose another directory"
        )
    clock.make_movable()
    if file.exists() and (offset := int(file.read_text())):
        clock.advance(offset)
    save_offset(settings.data_dir)
    logger.warning("--test-clock: the account can move the time of this server; for tests only")


def save_offset(data_dir: Path) -> None:
    """Keep the offset for the next start on this data directory."""
    (data_dir / FILE_NAME).write_text(str(clock.offset_ms))
