"""HTTP client of webhooks: one POST for each attempt, with its outcome.

A server that sends no webhooks does not load this module, which takes time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from urllib.parse import urlencode

import httpcore2

from syncline_protocol import __version__
from syncline_server.config.networks import Network

from .outcome import Outcome
from .ssrf_guard import GuardedBackend, Resolver

__all__ = ["Sender"]

REPLY_LIMIT = 16_384
"""Maximum bytes of a reply that are read, so that the connection can be reused; the content is
ignored."""

KEPT_CONNECTIONS = 64
"""Maximum idle connections that are kept."""

KEPT_FOR = 5.0
"""Seconds for which an idle connection is kept."""

RETRY_AFTER_LIMIT = 300.0
"""Maximum seconds of a receiver's `Retry-After`."""

_HEADERS = {
    "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
    "User-Agent": f"Syncline/{__version__}",
    "Accept": "*/*",
}


class Sender:
    """Sends forms; follows no redirects and uses no proxy."""

    def __init__(self, timeout: float, allowed: Sequence[Network]) -> None:
        """
        Args:
            timeout: seconds for a whole attempt.
            allowed: private networks that it may reach.
        """
        self._timeout = timeout
        self._allowed = allowed
        self._resolver = Resolver()

    @cached_property
    def _pool(self) -> httpcore2.AsyncConnectionPool:
        # Created at the first use: loading the CA certificates takes time and memory.
        return httpcore2.AsyncConnectionPool(
            ssl_context=httpcore2.default_ssl_context(),
            max_connections=None,
            max_keepalive_connections=KEPT_CONNECTIONS,
            keepalive_expiry=KEPT_FOR,
            network_backend=GuardedBackend(self._resolver, self._allowed),
        )

    async def close(self) -> None:
        """Close all connections."""
        if "_pool" in vars(self):
            await self._pool.aclose()
        self._resolver.close()

    async def send(self, url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> Outcome:
        """POST a form. A failure is returned as an `Outcome`, not raised."""
        try:
            async with asyncio.timeout(self._timeout):
                return await self._post(url, urlencode(form).encode(), headers)
        except TimeoutError:
            return Outcome(None, f"There was no whole reply within {self._timeout:g} s.")
        except _FAILURES as error:
            return Outcome(None, f"{error or type(error).__name__}.")

    async def _post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Outcome:
        sent: list[tuple[bytes | str, bytes | str]] = [*_HEADERS.items(), *headers.items()]
        sent.append(("Content-Length", str(len(body))))
        async with self._pool.stream("POST", url, headers=sent, content=body) as reply:
            read = 0
            async for chunk in reply.aiter_stream():
                read += len(chunk)
                if read > REPLY_LIMIT:
                    break
        if 200 <= reply.status < 300:
            return Outcome(reply.status)
        return Outcome(
            reply.status,
            f"The receiver answered with {reply.status}.",
            _retry_after(reply.headers),
        )


_FAILURES = (
    OSError,
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.TimeoutException,
    httpcore2.UnsupportedProtocol,
)


def _retry_after(headers: Sequence[tuple[bytes, bytes]]) -> float:
    """Seconds from either form of `Retry-After`; 0 if it is missing or malformed."""
    values = [value for name, value in headers if name.lower() == b"retry-after"]
    text = values[0].decode("latin-1").strip() if values else ""
    if text.isascii() and text.isdigit():
        seconds = float(text[:9])
    else:
        try:
            moment = parsedate_to_datetime(text).astimezone(UTC)
            seconds = (moment - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError, IndexError, OverflowError):
            return 0.0
    return min(max(seconds, 0.0), RETRY_AFTER_LIMIT)
