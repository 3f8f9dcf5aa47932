"""One WebSocket: an asyncio protocol class for uvicorn, without a task or a copy per message.

`frame_reader` reads the input. The output consists of whole frames that the message handler made;
the frame of an event is made once for all subscribers, and the same bytes go to each transport.
`cork` joins the frames of one socket in one turn of the loop into one write.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, cast

from websockets.datastructures import Headers
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State

from syncline_protocol.objects import Event
from syncline_server.config.settings import Settings
from syncline_server.observability.metrics import Limit, Meters
from syncline_server.pubsub.cork import Cork
from syncline_server.realtime.admission import Admission
from syncline_server.realtime.send_queue import SendQueue
from syncline_server.realtime.timer_wheel import Timer, TimerWheel

from .endpoint import MessageHandler, WebSocketRoute
from .frame_reader import FrameReader, Message
from .handshake import Handshake
from .oversized_message import OversizedMessage
from .parser_pool import ParserPool

__all__ = ["Socket", "socket_protocol"]

CLOSE_TIMEOUT = 2.0
"""Seconds for the client's part of the closing handshake; then the connection is aborted."""

REASON_LIMIT = 123
"""Bytes of a close reason, at most (RFC 6455, 5.5)."""

_NORMAL, _ABNORMAL, _TOO_BIG, _SERVICE_RESTART = 1000, 1006, 1009, 1012
_END = b""  # the parser's sign to half-close the connection
_PING = Frame(Opcode.PING, b"").serialize(mask=False)


def socket_protocol(
    endpoints: Mapping[str, WebSocketRoute],
    settings: Settings,
    wheel: TimerWheel,
    door: Admission,
    meters: Meters,
    cork: Cork,
) -> type[Socket]:
    """The class that uvicorn instantiates for each request to upgrade a connection."""

    class ConfiguredSocket(Socket):
        __slots__ = ()

    ConfiguredSocket.settings = settings
    ConfiguredSocket.wheel = wheel
    ConfiguredSocket.meters = meters
    ConfiguredSocket.cork = cork
    ConfiguredSocket.handshake = Handshake(endpoints, settings, door, meters)
    ConfiguredSocket.wary = _parsers(settings.auth_message_limit)
    ConfiguredSocket.trusting = _parsers(settings.socket_message_limit, truncates=True)
    return ConfiguredSocket


def _parsers(limit: int, *, truncates: bool = False) -> tuple[ParserPool, ParserPool]:
    """The pools for plain messages, and for messages that may be compressed."""
    return ParserPool(limit), ParserPool(limit, inflates=True, truncates=truncates)


class Socket(FrameReader):
    """One connection, from its handshake to its end.

    Attributes:
        endpoint: the route that the handshake asked for.
        peer: the client's address for logs, from a trusted proxy if there is one.
        write, corked: as in `cork.Outlet`.
    """

    wheel: ClassVar[TimerWheel]
    cork: ClassVar[Cork]
    handshake: ClassVar[Handshake]

    write: Callable[[bytes], None]
    corked: list[bytes] | None

    __slots__ = (
        "_allowance",
        "_allowed_at",
        "_congested",
        "_connections",
        "_farewell",
        "_handing_on",
        "_heard",
        "_inbox",
        "_send_queue",
        "_paused",
        "_progress",
        "_resting",
        "_stuck_size",
        "_transport",
        "_wire",
        "corked",
        "endpoint",
        "peer",
        "write",
    )

    def __init__(self, *, config: Any, server_state: Any, app_state: Any) -> None:
        """uvicorn's arguments; `server_state` has the connections that uvicorn shuts down."""
        self._connections: set[Any] = server_state.connections
        super().__init__()
        self._transport: asyncio.Transport = cast(asyncio.Transport, None)
        self._wire: MessageHandler | None = None
        # Messages that were read while none may be handed on; None if there are none.
        self._inbox: deque[Message] | None = None
        self._handing_on = False
        self._paused = False
        # Frames that may be read before the clock is checked, and the time of the last check.
        self._allowance = self.settings.connection_rate
        self._allowed_at = time.monotonic()
        self._resting = False
        # The frames that wait while the transport's buffer is full; None while it is not.
        self._send_queue: SendQueue | None = None
        # What the parser says at its failure, if that must wait for the send queue.
        self._farewell: bytes | None = None
        self._congested = False
        self._progress: Timer | None = None
        self._stuck_size = 0
        self.corked = None
        self._heard = True
        self.endpoint: WebSocketRoute = cast(WebSocketRoute, None)
        self.peer = "unknown"

    @property
    def waiting(self) -> int:
        """Bytes that wait to be sent to the client."""
        kept = 0 if self._send_queue is None else self._send_queue.size
        return kept + self._transport.get_write_buffer_size()

    @property
    def is_free(self) -> bool:
        """True if frames may bypass this socket and go to the cork, until `on_congestion`."""
        return self._send_queue is None and self._closing is None

    def trust(self) -> None:
        """The client has authenticated: allow messages of the full size."""
        self._parsers = self.trusting[self.deflates]

    def send(self, frame: bytes) -> None:
        """Send a frame that must not be replaced."""
        # Behind the frames that wait: replies and events keep their order.
        if self._send_queue is not None:
            self._send_queue.put(frame)
        elif self._closing is None:
            self.cork.add_frame(self, frame)

    def send_event(
        self, event: Event, frame: bytes, whole: Callable[[Event], bytes] | None = None
    ) -> None:
        """Send an event; while the client is slow, a later event of its document may replace it.

        `whole`: as in `SendQueue.put_event`.
        """
        tally = self.endpoint.tally
        tally.events += 1
        if self._send_queue is not None:
            tally.conflated += self._send_queue.put_event(event, frame, whole)
        elif self._closing is None:
            self.cork.add_frame(self, frame)

    def close(self, code: int, reason: str = "") -> None:
        """Send the queued frames, then close; safe to repeat. Later messages are not read."""
        if self._closing is None:
            self._closing = (code, reason.encode()[:REASON_LIMIT].decode(errors="ignore"))
            # 1. Leave the fast path: no event may follow the close frame.
            if self._wire is not None:
                self._wire.on_congestion()
            # 2. Send the close frame, or let `resume_writing` send it after the queued frames.
            if self._send_queue is None:
                self._send_close()
            # 3. Read on and discard: unread bytes would make the kernel answer with a reset, which
            #    can destroy our last frames before the client reads them.
            self._transport.resume_reading()
            self.wheel.call_later(CLOSE_TIMEOUT, self.abort)

    def abort(self) -> None:
        """End the connection now, without a closing handshake."""
        self._transport.abort()

    def pause_reading(self) -> None:
        """Pass no message to the message handler until `resume_reading`."""
        self._paused = True
        if self._closing is None:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Pass messages on again, first those that were received in the meantime."""
        self._paused = False
        self._read_on()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.write = self._transport.write
        mark = self.settings.output_mark
        self._transport.set_write_buffer_limits(high=mark, low=mark // 4)
        self._connections.add(self)
        peer = transport.get_extra_info("peername")
        if peer:
            self.peer = f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else str(peer)

    def open(
        self, method: str, url: bytes, version: str, headers: list[tuple[bytes, bytes]]
    ) -> None:
        """Answer the opening handshake."""
        named = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
        request = Request(url.decode("latin-1"), Headers(named), method, f"HTTP/{version}")
        response, endpoint, self.peer = self.handshake.answer(request, self.peer)
        self.deflates = "Sec-WebSocket-Extensions" in response.headers
        self._parsers = self.wary[self.deflates]
        # Write the response first: the message handler may send frames when it is made.
        self._transport.write(response.serialize())
        if endpoint is None:
            self._closing = (_NORMAL, "")
            return self._transport.close()
        self.endpoint = endpoint
        endpoint.tally.connections += 1
        self._wire = endpoint.make(self)
        self.wheel.call_later(self.settings.ping_interval, self._ping)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        # From here on `send`, `send_event` and `close` do nothing.
        self._closing = self._closing or (_ABNORMAL, "")
        self._send_queue = self._inbox = None
        if self._wire is not None:
            # Clear `_wire` first: nothing that `on_end` does may lead back to the message handler.
            wire, self._wire = self._wire, None
            wire.on_end()

    def data_received(self, data: bytes) -> None:
        self._heard = True  # any byte counts as an answer to a ping
        self._read(data)

    def pause_writing(self) -> None:
        # The transport may call this within any `write`. Make `_send_queue` before `on_congestion`
        # takes the session off the fast path: events that come after it belong in the queue.
        self._congested = True
        self.meters.limit_hits[Limit.OUTPUT_MARK] += 1
        if self._closing is None:  # else nothing may follow the close frame
            self._send_queue = self._send_queue or SendQueue(self.settings.output_mark)
        if self._wire is not None:
            self._wire.on_congestion()
        # Read no requests of a client that does not read: their replies would grow the queue
        # (promise 5). A closing connection must read on (`close`).
        if self._closing is None:
            self._transport.pause_reading()
        if self._progress is not None:
            self._progress.cancel()
        self._watch_progress()

    def resume_writing(self) -> None:
        self._congested = False
        # A write may fill the buffer again, and call `pause_writing`: that sets `_congested`.
        while self._send_queue is not None and not self._congested:
            if self._send_queue.empty:
                self._send_queue = None
            else:
                self._transport.write(self._send_queue.take())
        if self._congested:
            return
        if self._farewell is not None:
            return self._end_output(self._farewell)
        if self._closing is not None:
            return self._send_close()
        # Only now, with an empty queue: frames on the fast path would overtake queued ones.
        if self._wire is not None:
            self._wire.on_relief()
        if not self._held:
            self._transport.resume_reading()

    def shutdown(self) -> None:
        """Close; uvicorn calls this for the connections that are still open when it stops."""
        if self._wire is None:
            self._transport.close()
        else:
            self.close(_SERVICE_RESTART, "the server is shutting down")

    def _keep_or_hand_on(self, message: Message) -> None:
        # One read may bring several messages, and the first may pause reading: keep the others.
        if self._held:
            self._inbox = self._inbox or deque()
            self._inbox.append(message)
        else:
            self._hand_on(message)

    def _hand_on(self, message: Message) -> None:
        if self._wire is not None and self._closing is None:
            self._count_frame()
            if isinstance(message, OversizedMessage):
                self._wire.on_oversized(message)
            else:
                self._wire.on_message(message)

    @property
    def _held(self) -> bool:
        """True while no message is passed on."""
        return self._paused or self._resting

    def _read_on(self) -> None:
        """Pass on the messages in `_inbox`, then read again."""
        if self._handing_on:
            return  # a message handler may resume within `on_message`: the loop below goes on
        self._handing_on = True
        try:
            while self._inbox and not self._held:
                self._hand_on(self._inbox.popleft())
        finally:
            self._handing_on = False
        # Three parties may stop reading: the message handler, the frame rate and a full buffer.
        if not self._held and not self._congested:
            self._inbox = None
            self._transport.resume_reading()

    def _count_frame(self) -> None:
        """Count a frame; above `connection_rate`, pass on no more until the second is over."""
        # The clock is checked once in `connection_rate` frames, not at each.
        self._allowance -= 1
        if self._allowance > 0 or self._resting:
            return
        rest = self._allowed_at + 1.0 - time.monotonic()
        if rest <= 0:
            return self._allow()
        self.meters.limit_hits[Limit.CONNECTION_RATE] += 1
        self._resting = True
        self._transport.pause_reading()
        self.wheel.call_later(rest, self._end_rest)

    def _allow(self) -> None:
        self._allowance = self.settings.connection_rate
        self._allowed_at = time.monotonic()

    def _end_rest(self) -> None:
        self._resting = False
        self._allow()
        if self._closing is None:
            self._read_on()

    def _send_parsers(self) -> None:
        """Send the output of the parser: pongs, and its part of the closing handshake."""
        parser = self._borrow()
        output = parser.data_to_send()
        data = b"".join(output)
        if _END not in output:
            if data:
                self._transport.write(data)
            return
        sent = parser.close_sent
        if sent is not None and sent.code == _TOO_BIG and self._parsers in self.wary:
            self.meters.limit_hits[Limit.AUTH_MESSAGE_LIMIT] += 1
        # The client has sent its close frame, and the parser has answered it: the handshake is
        # complete. Else the parser has failed the connection, and the client must answer.
        if self._wire is None or parser.close_rcvd is not None:
            self._closing = self._closing or (_NORMAL, "")
            if data:
                self._transport.write(data)
            return self._transport.close()
        # Frames of this turn, and those in the queue, come before the close frame in `data`.
        self.cork.flush(self)
        self.close(_ABNORMAL)
        if self._send_queue is None:
            self._end_output(data)
        else:
            self._farewell = data

    def _end_output(self, data: bytes) -> None:
        """Send the last bytes, and close this half of the connection."""
        self._farewell = None
        if data:
            self._transport.write(data)
        if self._transport.can_write_eof():  # TLS cannot close one half
            self._transport.write_eof()

    def _send_close(self) -> None:
        self.cork.flush(self)  # frames of this turn come before the close frame
        if self._closing is not None and self._borrow().state is State.OPEN:
            self._borrow().send_close(*self._closing)
            self._send_parsers()

    def _ping(self) -> None:
        if self._closing is None:
            self._heard = False
            self._transport.write(_PING)
            self.wheel.call_later(self.settings.ping_timeout, self._check_pong)

    def _check_pong(self) -> None:
        if self._closing is not None:
            return
        # While this socket does not read, a pong cannot be seen.
        if not self._heard and not self._congested and not self._held:
            self.meters.limit_hits[Limit.PING_TIMEOUT] += 1
            return self.abort()
        rest = max(0.0, self.settings.ping_interval - self.settings.ping_timeout)
        self.wheel.call_later(rest, self._ping)

    def _check_progress(self) -> None:
        """Close the connection of a client that has read nothing since `_watch_progress`."""
        if not self._congested or self._closing is not None or self._wire is None:
            return
        if self._transport.get_write_buffer_size() >= self._stuck_size:
            self.meters.limit_hits[Limit.SLOW_READER_TIMEOUT] += 1
            self._send_queue = None  # else the close frame would wait for it
            return self._wire.on_slow()
        self._watch_progress()

    def _watch_progress(self) -> None:
        self._stuck_size = self._transport.get_write_buffer_size()
        self._progress = self.wheel.call_later(
            self.settings.slow_reader_timeout, self._check_progress
        )
