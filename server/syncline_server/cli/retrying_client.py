"""An HTTP client that repeats failed requests, for commands that run for a long time."""

from __future__ import annotations

import random
import threading
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import click
import httpx2

from syncline_protocol.backoff import Backoff

__all__ = ["RetryingClient"]

FIRST_PAUSE = 0.5
"""Maximum of the first pause in seconds; it doubles for each further pause."""

LONGEST_PAUSE = 30
"""Maximum of a pause in seconds, unless the server asks for a longer one."""

LONGEST_RETRY_AFTER = 300
"""Longest `Retry-After` to wait for, in seconds; a reply that asks for more is returned."""

SPREAD = 1.25
"""Random factor, at most, on `Retry-After`, so that waiting clients do not return all at once."""

_TEMPORARY = (
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)


class RetryingClient(httpx2.Client):
    """Repeats a request that was throttled, got no answer, or met an unavailable server.

    Use it only for requests that are safe to repeat. A pause that the server asks for applies to
    all threads that share the client. If the server has never answered, an error is raised at once.
    """

    def __init__(self, *, retries: int, stop: threading.Event, **options: Any) -> None:
        """
        Args:
            retries: maximum number of repetitions of a request.
            stop: when it is set, requests that wait raise `click.Abort`.
            options: options of `httpx2.Client`.
        """
        super().__init__(**options)
        self._retries = retries
        self._stop = stop
        self._answered = False
        # Time by `time.monotonic` before which no request is sent. It needs no lock: if two threads
        # race, at worst one more request is sent, and answered with 429.
        self._not_before = 0.0

    def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Send a request until the reply is final or no retries are left; return the last reply."""
        backoff = Backoff(FIRST_PAUSE, LONGEST_PAUSE)
        left = self._retries
        while True:
            self._wait()
            try:
                reply = super().send(request, **options)
                self._answered = True
                retry_after = _retry_after(reply)
                if reply.status_code not in _TEMPORARY or retry_after > LONGEST_RETRY_AFTER:
                    return reply
                self._pause(max(retry_after * random.uniform(1, SPREAD), backoff.pause()))
                if not left:
                    return reply
            except httpx2.TransportError:
                if not left or not self._answered:
                    raise
                self._pause(backoff.pause())
            left -= 1

    def _pause(self, seconds: float) -> None:
        self._not_before = max(self._not_before, time.monotonic() + seconds)

    def _wait(self) -> None:
        if self._stop.wait(max(0, self._not_before - time.monotonic())):
            raise click.Abort


def _retry_after(reply: httpx2.Response) -> float:
    """Seconds in `Retry-After` (RFC 9110, section 10.2.3); 0 if it is absent or invalid."""
    value = reply.headers.get("Retry-After", "0")
    if value.isascii() and value.isdecimal():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return 0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0, (moment - datetime.now(UTC)).total_seconds())
