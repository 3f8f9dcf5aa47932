"""When a request may be sent again."""

from __future__ import annotations

import time

from .snapshot import JsonObject

__all__ = ["RESEND_LIMIT", "Attempts"]

RESEND_LIMIT = 100
"""Seconds after which a write is not sent again: the server remembers its `op` for 120 s
(docs/protocol.md, section 3), and would then apply it a second time."""


class Attempts:
    """The attempts of one request, on all the connections that it was sent on."""

    def __init__(self, request: JsonObject) -> None:
        self._writes = "op" in request
        self._first: float | None = None

    def begin(self) -> None:
        """The request is about to be sent.

        Raises:
            TimeoutError: it is too late to send it again.
        """
        # The system's clock: that of the event loop stands still while the machine sleeps.
        now = time.time()
        if self._first is None:
            self._first = now
        elif self._writes and now - self._first > RESEND_LIMIT:
            raise TimeoutError
