"""Duplicates of the descriptors of plain sockets, past whose transports frames are written."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
from collections.abc import Iterable
from typing import Any

from syncline_server.config.file_limit import HIGHEST

__all__ = ["Duplicates"]

logger = logging.getLogger("syncline.socket")

SHARE = 0.75
"""Part of the limit of open files within which duplicates are made. When connections need the rest
and reach the limit, the duplicates are closed (`OpenFiles`)."""


class Duplicates:
    """Makes the duplicates of one process."""

    def __init__(self, *, is_on: bool) -> None:
        """`is_on`: False to make none."""
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._limit = HIGHEST if limit == resource.RLIM_INFINITY else limit
        self._end = int(self._limit * SHARE) if is_on else 0
        # True if any was made since `release_all`.
        self._has_made = False

    def check(self, connections: int) -> None:
        """Log if the limit of open files is too low for so many connections and duplicates."""
        if self._end and self._limit < 2 * connections:
            logger.info(
                "the limit of %d open files leaves no second descriptor for each of %d "
                "connections: above about %d connections, events to the others cost more",
                self._limit,
                connections,
                self._end // 2,
            )

    def make(self, transport: asyncio.BaseTransport) -> int:
        """A new descriptor of the transport's socket, which the caller must close.

        -1 if there is none: for TLS, whose bytes only the transport can encrypt, and near the limit
        of open files.
        """
        peer = transport.get_extra_info("socket")
        if not self._end or peer is None or transport.get_extra_info("ssl_object") is not None:
            return -1
        try:
            duplicate = os.dup(peer.fileno())
        except OSError:
            return -1
        # The kernel gives the lowest free number, so the number shows how many are in use.
        if duplicate < self._end:
            self._has_made = True
            return duplicate
        os.close(duplicate)
        return -1

    def release_all(self, connections: Iterable[Any]) -> bool:
        """Close all duplicates, because connections need them; False if there were none.

        `connections`: those of the process, of any protocol.
        """
        if not self._has_made:
            return False  # do not look at all connections for each that must be refused
        self._has_made = False
        for connection in connections:
            if (release := getattr(connection, "release_duplicate", None)) is not None:
                release()
        logger.warning("the limit of %d open files is near: each socket has one now", self._limit)
        return True
