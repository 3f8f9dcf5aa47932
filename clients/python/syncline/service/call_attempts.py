"""Attempts at one REST call of a back end: when to repeat it, and what to raise. No I/O."""

from __future__ import annotations

import logging
import time
from http import HTTPStatus

import httpx2

from syncline.attempts import RESEND_LIMIT
from syncline.errors import ConnectionLost, RequestError, RequestTimeout, SynclineError
from syncline.http import BROKEN_ERRORS
from syncline.refusals import retry_pause
from syncline_protocol.backoff import Backoff

from .service_options import ServiceOptions

__all__ = ["CallAttempts"]

logger = logging.getLogger("syncline")

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 5
"""First and largest ceiling of the pause before a repetition, in seconds."""

_NOT_SENT = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
)
"""Raised before a request is sent: it was not applied."""

_WEATHER = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)
"""What something in between answers for a while, besides 5xx."""


class CallAttempts:
    """The attempts at one call.

    A read, and a write with an operation id, may be repeated whatever became of it. Every other
    write is repeated only after an attempt that certainly changed nothing.

    Attributes:
        is_unknown: True if an attempt at a write got no answer from the server.
    """

    def __init__(
        self, call: str, options: ServiceOptions, *, writes: bool, is_repeatable: bool
    ) -> None:
        """
        Args:
            call: method and path, for messages.
            writes: False for a read.
            is_repeatable: True if a second execution does no harm.
        """
        self.is_unknown = False
        self._call = call
        self._options = options
        self._writes = writes
        self._is_repeatable = is_repeatable
        self._left = options.retries
        self._begun = time.monotonic()
        # The system's clock, as in `attempts`: it goes on while the machine sleeps.
        self._first_unknown: float | None = None
        self._backoff = Backoff(FIRST_PAUSE, LONGEST_PAUSE)
        self._has_broken = False

    def timeout(self) -> float:
        """Seconds that the next attempt may take."""
        return max(0.001, min(self._options.reply_timeout, self._rest()))

    def failed(self, error: Exception) -> float:
        """Return the pause before the next attempt, after a failure of the network.

        Raises:
            ConnectionLost: there is no further attempt, and nothing was changed.
            RequestTimeout: there is no further attempt, and the outcome is unknown.
        """
        if self._writes and not isinstance(error, _NOT_SENT):
            self._note_unknown()
        reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        if isinstance(error, BROKEN_ERRORS) and not self._has_broken:
            # An idle connection may have been closed just as we sent: no pause the first time.
            self._has_broken = True
            return self._next(ConnectionLost(reason), 0.0)
        return self._next(ConnectionLost(f"no reply from the server ({reason})"), None)

    def refused(self, error: RequestError | ConnectionLost, status: int, known: bool) -> float:
        """Return the pause before the next attempt, after a reply that is no success.

        Args:
            error: the exception for the reply.
            status: status of the reply.
            known: True if this client has had a reply of Syncline's before.

        Raises:
            RequestError: the server refused, and a repetition is of no use.
            ConnectionLost, RequestTimeout: as `failed`.
        """
        if isinstance(error, RequestError):
            if not error.retry:
                # These two come before the server looks for the operation id.
                is_settled = status not in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
                raise error if is_settled else self._final(error)
            # A refusal by Redis' loss says in its text that the write may have been applied.
            if status == HTTPStatus.SERVICE_UNAVAILABLE and not self._is_repeatable:
                raise error
        else:
            if self._writes:
                self._note_unknown()
            # Where Syncline has answered before, a page of something in between is weather. A URL
            # that names another server shows at once.
            is_weather = status >= 500 or status in _WEATHER
            if not known and not is_weather:
                raise error
        pause = retry_pause(error.retry_after) + self._backoff.pause()
        return self._next(error, pause)

    def _next(self, error: SynclineError, pause: float | None) -> float:
        if pause is None:
            pause = self._backoff.pause()
        too_late = (
            self._first_unknown is not None and time.time() - self._first_unknown > RESEND_LIMIT
        )
        if self.is_unknown and not self._is_repeatable:
            raise self._final(error)
        if self._left == 0 or too_late or pause >= self._rest():
            raise self._final(error)
        if self._left == self._options.retries and pause:
            logger.warning("%s is repeated: %s", self._call, error)
        self._left -= 1
        return pause

    def _final(self, error: SynclineError) -> SynclineError:
        # Even a refusal of the last attempt does not say what became of an earlier one.
        if not self.is_unknown:
            return error
        return RequestTimeout(self._call, time.monotonic() - self._begun, str(error))

    def _note_unknown(self) -> None:
        self.is_unknown = True
        if self._first_unknown is None:
            self._first_unknown = time.time()

    def _rest(self) -> float:
        return self._begun + self._options.timeout - time.monotonic()
