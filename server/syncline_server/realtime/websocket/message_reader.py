"""The reading half of a socket, behind `frame_reader`: passes messages on to the protocol.

Reading may be paused for several reasons at once (`Pause`). One of them is the rate of frames,
which is limited here.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import ClassVar

from syncline_server.observability.metrics import Limit
from syncline_server.realtime.timer_wheel import TimerWheel

from .frame_reader import FrameReader, Message
from .oversized_message import OversizedMessage
from .route import MessageHandler
from .states import OPEN, Pause

__all__ = ["MessageReader"]


class MessageReader(FrameReader):
    """Passes each message to the message handler, unless reading is paused."""

    timers: ClassVar[TimerWheel]

    _transport: asyncio.Transport

    __slots__ = (
        "_allowance",
        "_allowed_at",
        "_handler",
        "_inbox",
        "_is_emptying",
        "_pauses",
        "_transport",
    )

    def __init__(self) -> None:
        super().__init__()
        # None before the handshake, and after the end.
        self._handler: MessageHandler | None = None
        self._pauses = Pause.NONE
        # Messages that were read while reading was paused; None if there are none.
        self._inbox: deque[Message] | None = None
        self._is_emptying = False
        # Frames that may be read before the clock is checked, and the time of the last check.
        self._allowance = self.settings.connection_rate
        self._allowed_at = time.monotonic()

    def pause_reading(self, reason: Pause) -> None:
        """Pass no message to the message handler until `resume_reading` with this reason."""
        self._pauses |= reason
        if self.state is OPEN:  # a closing socket reads on (`Socket.close`)
            self._transport.pause_reading()

    def resume_reading(self, reason: Pause) -> None:
        """End a pause. After the last, pass on the messages that were received in the meantime."""
        self._pauses &= ~reason
        if self._is_emptying:
            return  # a message handler may resume within `on_message`: the loop below goes on
        self._is_emptying = True
        try:
            while self._inbox and not self._pauses:
                self._pass_on(self._inbox.popleft())
        finally:
            self._is_emptying = False
        if not self._pauses:
            self._inbox = None
            self._transport.resume_reading()

    def _take_message(self, message: Message) -> None:
        # One read may bring several messages, and the first may pause reading: keep the others.
        if self._pauses:
            self._inbox = self._inbox or deque()
            self._inbox.append(message)
        else:
            self._pass_on(message)

    def _pass_on(self, message: Message) -> None:
        if self._handler is not None and self.state is OPEN:
            self._count_frame()
            if isinstance(message, OversizedMessage):
                self._handler.on_oversized(message)
            else:
                self._handler.on_message(message)

    def _count_frame(self) -> None:
        """Count a frame; above `connection_rate`, pause until the second is over."""
        self._allowance -= 1
        # The clock is checked once in `connection_rate` frames, not at each.
        if self._allowance <= 0:
            self._check_rate()

    def _check_rate(self) -> None:
        if self._pauses & Pause.RATE:
            return
        rest = self._allowed_at + 1.0 - time.monotonic()
        if rest <= 0:
            return self._renew_allowance()
        self.meters.limit_hits[Limit.CONNECTION_RATE] += 1
        self.pause_reading(Pause.RATE)
        self.timers.call_later(rest, self._end_rate_pause)

    def _renew_allowance(self) -> None:
        self._allowance = self.settings.connection_rate
        self._allowed_at = time.monotonic()

    def _end_rate_pause(self) -> None:
        self._renew_allowance()
        self.resume_reading(Pause.RATE)
