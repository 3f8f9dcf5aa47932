"""The limit of open files: raised as far as the system lets us, and never quite reached."""

from __future__ import annotations

import asyncio
import logging
import resource
from contextlib import suppress

from syncline_server.observability.metrics import Meters

__all__ = ["OpenFiles", "raise_limit"]

logger = logging.getLogger("syncline.files")

RESERVE = 32
"""File descriptors that connections leave free: for Redis, files, and callers of `/healthz`."""

REPORT_INTERVAL = 10.0
"""Seconds between lines that say that the limit is reached."""

HIGHEST = 1_048_576
"""What is asked for where the system sets no limit."""


def raise_limit() -> None:
    """Raise the soft limit of this process, and of those that it starts, to the hard one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = HIGHEST if hard == resource.RLIM_INFINITY else hard
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class OpenFiles:
    """Says when there is no room for one more connection.

    The kernel gives the lowest number that is free, so the number of a new connection shows how
    many are in use. Beyond the limit itself connections would end without a word: nobody could
    accept them, and nothing would be logged.
    """

    def __init__(self, meters: Meters) -> None:
        """`meters`: counts those for which there was no room."""
        self._meters = meters
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._limit = HIGHEST if limit == resource.RLIM_INFINITY else limit
        self._room = self._limit - min(RESERVE, self._limit // 4)
        self._quiet_until = 0.0
        self._left_out = 0

    def are_exhausted(self, number: int, peer: str) -> bool:
        """True if a connection with this file descriptor must go; counts it, and logs it.

        `peer`: its address, for the log.
        """
        if number < self._room:
            return False
        self._meters.refused_for_files += 1
        now = asyncio.get_running_loop().time()
        if now < self._quiet_until:
            self._left_out += 1
            return True
        logger.error(
            "%s was refused, and %d before it: the limit of %d open files is reached; raise it "
            "(ulimit -n, LimitNOFILE), or spread the connections",
            peer,
            self._left_out,
            self._limit,
        )
        self._quiet_until, self._left_out = now + REPORT_INTERVAL, 0
        return True
