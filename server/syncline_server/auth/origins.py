"""Check of the `Origin` header: which pages may open a WebSocket or use a remembered Basic login.

A browser lets every page open sockets to any server and send it forms. A foreign page gains nothing
by a socket: tokens are sent in messages, and a browser sends none by itself. Sockets are checked so
that an operator who restricts the origins restricts them for sockets too. A form is different: the
browser adds the Basic login that its user has typed.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from urllib.parse import urlsplit

__all__ = ["Origins"]


class Origins:
    """The allowed origins: those of a list, and this server's own."""

    def __init__(self, allowed: Collection[str], public_url: str | None) -> None:
        """
        Args:
            allowed: origins as browsers send them, or `*` for all.
            public_url: URL of this server; None for the host of each request.
        """
        self._any = "*" in allowed
        self._allowed = frozenset(allowed)
        self._own = None if public_url is None else urlsplit(public_url).netloc.lower()

    def admit(self, given: Sequence[str], host: str) -> bool:
        """True if the origin is allowed.

        Args:
            given: the `Origin` headers of the request; a client that sends none is not a browser.
            host: the `Host` of the request.
        """
        if self._any or not given:
            return True
        if len(given) > 1:
            return False
        [origin] = given
        return origin in self._allowed or self._is_own(origin, host)

    def _is_own(self, origin: str, host: str) -> bool:
        """Compare the host only: the scheme differs if TLS ends at a proxy."""
        scheme, _, authority = origin.partition("://")
        own = (host.lower(), self._own)
        return scheme in ("http", "https") and bool(authority) and authority in own
