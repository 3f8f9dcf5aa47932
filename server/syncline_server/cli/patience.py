"""An HTTP client that waits and asks again, for commands that are to outlast a throttled hour."""

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

from syncline.backoff import Backoff

__all__ = ["PatientClient"]

FIRST_PAUSE = 0.5
"""Seconds that the first pause may last; each further one may last twice as long."""

LONGEST_PAUSE = 30
"""Seconds that a pause lasts at most, if the server does not ask for a longer one."""

LONGEST_WISH = 300
"""Seconds of the longest pause that is granted to a server; one that wants more is not asked."""

SPREAD = 1.25
"""A wish is stretched by up to this factor, so that those who wait do not come back together."""

_PASSING = (
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)


class PatientClient(httpx2.Client):
    """Sends again what was throttled, what met a server that is away, and what got no answer.

    Only for requests that may be repeated. All threads that share a client keep to the pause that
    its server asked one of them for. A server that has never answered is not waited for.
    """

    def __init__(self, *, retries: int, stop: threading.Event, **options: Any) -> None:
        """
        Args:
            retries: how often a request is sent again, at most.
            stop: when it is set, what waits ends with `click.Abort`.
            options: of `httpx2.Client`.
        """
        super().__init__(**options)
        self._retries = retries
        self._stop = stop
        self._answered = False
        # By `time.monotonic`; a race between two threads costs one request, which is answered 429.
        self._not_before = 0.0

    def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """The first answer that says more than "later", or the last one that may be waited for."""
        backoff = Backoff(FIRST_PAUSE, LONGEST_PAUSE)
        left = self._retries
        while True:
            self._wait()
            try:
                reply = super().send(request, **options)
                self._answered = True
                wish = _wish(reply)
                if reply.status_code not in _PASSING or wish > LONGEST_WISH:
                    return reply
                self._pause(max(wish * random.uniform(1, SPREAD), backoff.pause()))
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


def _wish(reply: httpx2.Response) -> float:
    """Seconds that `Retry-After` asks for (RFC 9110, section 10.2.3); 0 if it does not."""
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
