"""Headers of a proxy that is not trusted: said once, because they change nothing."""

from __future__ import annotations

import logging

__all__ = ["HEADERS", "ForwardingNotice"]

logger = logging.getLogger("syncline.proxies")

PEERS = 8
"""Addresses that get a line: anybody can send such headers."""

HEADERS = ("x-forwarded-for", "x-forwarded-proto", "x-forwarded-host")
"""What trusted proxies are believed."""


class ForwardingNotice:
    """One for a process."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def give(self, address: str, header: str) -> None:
        """A header came from an address, without a port, that is no trusted proxy."""
        if address in self._seen or len(self._seen) >= PEERS:
            return
        self._seen.add(address)
        logger.warning(
            "%s sends %s, which is ignored: if that is your proxy, --trusted-proxies %s "
            "(SYNCLINE_TRUSTED_PROXIES) makes the server believe it",
            address,
            header,
            address,
        )
