"""The attempts at one request, over several connections (docs/protocol.md, rules C7 and C8)."""

from __future__ import annotations

import asyncio
import time
import uuid

from syncline_protocol.backoff import Backoff

from .errors import RequestError
from .header import JsonObject
from .refusals import retry_pause

__all__ = ["RESEND_LIMIT", "Attempts", "make_op"]

RESEND_LIMIT = 100
"""Seconds after which a write is not sent again (rule C7)."""


class Attempts:
    """The attempts at one request.

    Attributes:
        refusal: the last refusal after which to try again; None if the request was sent since.
    """

    def __init__(self, request: JsonObject, backoff: Backoff) -> None:
        self.refusal: RequestError | None = None
        self._writes = "op" in request
        self._opens = request["do"] == "open"
        self._backoff = backoff
        self._first: float | None = None

    def begin(self) -> None:
        """Call before each send.

        Raises:
            TimeoutError: it is too late to send it again.
        """
        # The system's clock: that of the event loop stands still while the machine sleeps.
        now = time.time()
        self.refusal = None
        if self._first is None:
            self._first = now
        elif self._writes and now - self._first > RESEND_LIMIT:
            raise TimeoutError

    def may_wait(self, error: RequestError) -> bool:
        """Decide whether to wait and send the request again after a refusal (rule C8)."""
        return self._opens and error.retry

    async def wait_after(self, error: RequestError) -> None:
        """Pause before the request is sent again."""
        self.refusal = error
        self._first = None  # refused, so not applied: the outcome is known again
        await asyncio.sleep(retry_pause(error.retry_after) + self._backoff.pause())


def make_op() -> str:
    """Return a new operation id (docs/protocol.md, section 3)."""
    return uuid.uuid4().hex
