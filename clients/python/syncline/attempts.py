"""When a request may be sent again."""

from __future__ import annotations

import asyncio
import time

from syncline_protocol.backoff import Backoff

from .errors import RequestError
from .refusals import retry_pause
from .snapshot import JsonObject

__all__ = ["RESEND_LIMIT", "Attempts"]

RESEND_LIMIT = 100
"""Seconds after which a write is not sent again: the server remembers its `op` for 120 s
(docs/protocol.md, section 3), and would then apply it a second time."""


class Attempts:
    """The attempts of one request, on all the connections that it was sent on.

    Attributes:
        refusal: the answer to the last attempt, where another one waits for its time; else None.
    """

    def __init__(self, request: JsonObject, backoff: Backoff) -> None:
        self.refusal: RequestError | None = None
        self._writes = "op" in request
        self._opens = self._writes and request["do"] == "open"
        self._backoff = backoff
        self._first: float | None = None

    def begin(self) -> None:
        """The request is about to be sent.

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
        """Whether to ask again: the server has no room, and it does not matter when a document is
        opened. Who writes gets the refusal, and decides."""
        return self._opens and error.retry

    async def wait_after(self, error: RequestError) -> None:
        """Wait as long as a refusal asks for, and a random time more."""
        self.refusal = error
        self._first = None  # nothing of it was applied
        asked = 0 if error.retry_after is None else retry_pause(error.retry_after)
        await asyncio.sleep(asked + self._backoff.pause())
