"""Connections are refused just below the limit of open files."""

from __future__ import annotations

import logging
import resource

from syncline_server.config.file_limit import HIGHEST
from syncline_server.observability.metrics import Meters
from syncline_server.observability.rate_limit import FixedWindow

__all__ = ["OpenFiles"]

logger = logging.getLogger("syncline.files")

RESERVE = 32
"""File descriptors that connections must leave free: for Redis, files and `/healthz`."""

REPORT_INTERVAL = 10.0
"""Seconds between log lines that say that the limit is reached."""


class OpenFiles:
    """Refuses connections when file descriptors run out.

    The kernel assigns the lowest free descriptor, so the number of a new connection shows how many
    are in use. At the limit itself `accept` would fail: such connections would get no reply and no
    log line.
    """

    def __init__(self, meters: Meters) -> None:
        """`meters`: counts the refused connections."""
        self._meters = meters
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._limit = HIGHEST if limit == resource.RLIM_INFINITY else limit
        self._room = self._limit - min(RESERVE, self._limit // 4)
        self._lines = FixedWindow(1, REPORT_INTERVAL)
        self._left_out = 0

    def has_room(self, number: int) -> bool:
        """False if a connection with this file descriptor must be refused; -1 if it is unknown."""
        return number < self._room

    def are_exhausted(self, number: int, peer: str) -> bool:
        """True if a connection with this file descriptor must be refused; counts and logs that.

        Args:
            number: the file descriptor; -1 if it is unknown.
            peer: the client's address, for the log.
        """
        if self.has_room(number):
            return False
        self._meters.refused_for_files += 1
        if not self._lines.admit():
            self._left_out += 1
            return True
        logger.error(
            "%s was refused, and %d before it: the limit of %d open files is reached; raise it "
            "(ulimit -n, LimitNOFILE), or spread the connections",
            peer,
            self._left_out,
            self._limit,
        )
        self._left_out = 0
        return True
