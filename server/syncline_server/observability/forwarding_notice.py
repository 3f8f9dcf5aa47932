"""One-time warning about `X-Forwarded-*` headers from an untrusted proxy, which are ignored."""

from __future__ import annotations

import logging

__all__ = ["HEADERS", "ForwardingNotice"]

logger = logging.getLogger("syncline.proxies")

PEERS = 8
"""Maximum addresses that get a line: any client can send such headers."""

HEADERS = ("x-forwarded-for", "x-forwarded-proto", "x-forwarded-host")
"""Headers that are used from trusted proxies."""


class ForwardingNotice:
    """The warnings of one process, one for each address."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def log_once(self, address: str, header: str) -> None:
        """Warn that `header` came from `address` (without a port), which is not a trusted proxy."""
        if address in self._seen or len(self._seen) >= PEERS:
            return
        self._seen.add(address)
        logger.warning(
            "%s sends %s, which is ignored: if that is your proxy, --trusted-proxies %s "
            "(SYNCLINE_TRUSTED_PROXIES) makes the server trust it",
            address,
            header,
            address,
        )
