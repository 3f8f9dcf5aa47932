"""Whose pages may open a socket, and use the login that a browser remembers.

No browser keeps one page from opening sockets to any server, or sending it forms, with what it
knows of its visitor. With sockets that gains nothing, since tokens come in messages and are nothing
that browsers send by themselves; whoever narrows where pages may come from narrows it for sockets
too. Forms are sent with a login that the visitor has typed.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from urllib.parse import urlsplit

__all__ = ["Origins"]


class Origins:
    """Those of a list, and pages of this server's own."""

    def __init__(self, allowed: Collection[str], public_url: str | None) -> None:
        """
        Args:
            allowed: as browsers send them, or `*` for every one.
            public_url: where callers reach this server; None is where a request was addressed to.
        """
        self._any = "*" in allowed
        self._allowed = frozenset(allowed)
        self._own = None if public_url is None else urlsplit(public_url).netloc.lower()

    def admit(self, given: Sequence[str], host: str) -> bool:
        """
        Args:
            given: the `Origin` headers of a handshake; who sends none is no browser.
            host: to which it was addressed.
        """
        if self._any or not given:
            return True
        if len(given) > 1:
            return False
        [origin] = given
        return origin in self._allowed or self._is_own(origin, host)

    def _is_own(self, origin: str, host: str) -> bool:
        """The scheme may be another where TLS ends at a proxy."""
        scheme, _, authority = origin.partition("://")
        own = (host.lower(), self._own)
        return scheme in ("http", "https") and bool(authority) and authority in own
