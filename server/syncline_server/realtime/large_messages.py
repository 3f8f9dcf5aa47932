"""Large messages of one socket, each of which waits for a slice of the event loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from websockets.frames import CloseCode

from syncline_server.objects.work import work_of_json

from .in_flight import InFlight
from .session import Session
from .websocket.socket import Socket

__all__ = ["LargeMessages"]

logger = logging.getLogger("syncline.realtime")


class LargeMessages:
    """Defers messages while the event loop is busy, or the identity is at its limit on work."""

    __slots__ = ("_deferred", "_in_flight", "_may_resume", "_socket", "_take")

    def __init__(
        self,
        socket: Socket,
        in_flight: InFlight,
        take: Callable[[str | bytes], None],
        may_resume: Callable[[], bool],
    ) -> None:
        """
        Args:
            take: carries a message out.
            may_resume: False while something else has paused reading, and will resume it.
        """
        self._socket = socket
        self._in_flight = in_flight
        self._take = take
        self._may_resume = may_resume
        self._deferred: asyncio.Task[None] | None = None

    def defer(self, message: str | bytes, session: Session | None) -> bool:
        """True if the message is carried out later; until then no message is read."""
        if session is None:
            return False
        waiting = session.access.allowance.begin(work_of_json(message))
        if waiting is None:
            return False
        self._socket.pause_reading()
        self._deferred = asyncio.create_task(self._take_later(message, waiting))
        return True

    def cancel(self) -> None:
        """Forget the message that waits; the connection has ended."""
        if self._deferred is not None:
            self._deferred.cancel()

    async def _take_later(self, message: str | bytes, waiting: Coroutine[Any, Any, None]) -> None:
        await waiting
        self._deferred = None
        try:
            # The server may have begun to drain, or the token may have expired, during the wait.
            if not self._in_flight.leaving:
                self._take(message)
        except Exception:
            logger.exception("a message could not be handled")
            self._socket.close(CloseCode.INTERNAL_ERROR, "the server failed")
        # Each of these two resumes reading by itself when it ends.
        if self._may_resume() and self._in_flight.may_read:
            self._socket.resume_reading()
