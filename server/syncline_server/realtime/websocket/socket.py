"""One WebSocket: an asyncio protocol class for uvicorn.

`frame_reader` and `message_reader` read the input, `writer` sends the output. `Socket` joins both:
the handshakes at either end of the connection, congestion, and pings.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, ClassVar, cast

from websockets.datastructures import Headers
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State

from syncline_server.observability.metrics import Limit
from syncline_server.pubsub.cork import Cork
from syncline_server.realtime.send_queue import QueueLimits
from syncline_server.realtime.timer_wheel import Timer

from .duplicates import Duplicates
from .handshake import Accepted, Handshake
from .reply_reading import ReplySkipping
from .route import WebSocketRoute
from .slow_reader import SlowReaderWatch
from .states import Pause, SocketState
from .writer import SocketWriter

__all__ = ["Socket", "address_of"]

CLOSE_TIMEOUT = 2.0
"""Seconds for the client's part of the closing handshake; then the connection is aborted."""

REASON_LIMIT = 123
"""Bytes of a close reason, at most (RFC 6455, 5.5)."""

_TOO_BIG, _SERVICE_RESTART = 1009, 1012
_END = b""  # the parser's sign to half-close the connection
_PING = Frame(Opcode.PING, b"").serialize(mask=False)


class Socket(ReplySkipping):
    """One connection, from its handshake to its end.

    Attributes:
        route: the route that the handshake asked for.
        peer: the client's address for logs, from a trusted proxy if there is one.
    """

    cork: ClassVar[Cork]
    handshake: ClassVar[Handshake]
    queue_limits: ClassVar[QueueLimits]
    duplicates: ClassVar[Duplicates]
    writer_type: ClassVar[type[SocketWriter]]

    route: WebSocketRoute

    __slots__ = (
        "_connections",
        "_ping_timer",
        "_slow_reader",
        "peer",
        "route",
    )

    def __init__(self, *, config: Any, server_state: Any, app_state: Any) -> None:
        """uvicorn's arguments; `server_state` has the connections that uvicorn shuts down."""
        super().__init__()
        self.peer = "unknown"
        self._connections: set[Any] = server_state.connections
        # For the next ping, or for the answer to the last; None before the handshake.
        self._ping_timer: Timer | None = None
        # None while the transport's buffer is not full.
        self._slow_reader: SlowReaderWatch | None = None

    def allow_full_messages(self) -> None:
        """The client has authenticated: allow messages of the full size."""
        self._parsers = self.message_parsers[self.deflates]
        self._skip = self.route.skip

    def close(self, code: int, reason: str = "") -> None:
        """Send the queued frames, then close; safe to repeat. Later messages are not read."""
        if self.state is SocketState.OPEN:
            reason = reason.encode()[:REASON_LIMIT].decode(errors="ignore")
            self._close_after(partial(self._send_close, code, reason))

    def abort(self) -> None:
        """End the connection now, without a closing handshake."""
        self.writer.release_duplicate()
        self._transport.abort()

    def release_duplicate(self) -> None:
        """Write and read by the transport alone from here on: descriptors run out."""
        self._read_by_transport()
        self.writer.release_duplicate()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.writer = self.writer_type(
            self._transport, self.cork, self.queue_limits, self.duplicates.make(self._transport)
        )
        self._connections.add(self)

    def begin(self, accepted: Accepted) -> None:
        """Open the WebSocket of a handshake that was accepted already."""
        self.peer, self.deflates = accepted.peer, accepted.deflates
        self._begin(accepted.response, accepted.route)

    def open(
        self, method: str, url: bytes, version: str, headers: list[tuple[bytes, bytes]]
    ) -> None:
        """Answer the opening handshake."""
        named = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
        request = Request(url.decode("latin-1"), Headers(named), method, f"HTTP/{version}")
        peer = address_of(self._transport)
        response, route, self.peer = self.handshake.answer(request, peer)
        self.deflates = "Sec-WebSocket-Extensions" in response.headers
        self._begin(response.serialize(), route)

    def _begin(self, response: bytes, route: WebSocketRoute | None) -> None:
        self._parsers = self.auth_parsers[self.deflates]
        # Write the response first: the message handler may send frames when it is made.
        self.writer.write(response)
        if route is None:
            self.state = SocketState.CLOSED
            return self._close_transport()
        self.state = SocketState.OPEN
        self.route = route
        self.writer.tally = route.tally
        route.tally.connections += 1
        self._handler = route.make(self)
        self._ping_timer = self.timers.call_later(self.settings.ping_interval, self._ping)

    def pause_writing(self) -> None:
        # The transport may call this within any `write`.
        self.meters.limit_hits[Limit.OUTPUT_MARK] += 1
        # 1. Make the send queue: events that come from here on belong in it.
        self.writer.pause()
        # 2. Take the session off the fast path, which writes past the queue.
        if self._handler is not None:
            self._handler.on_congestion()
        if self.state is SocketState.OPEN:
            # 3. Read no requests of a client that does not read: their replies would grow the
            #    queue (promise 5). A closing socket must read on (`close`).
            self.pause_reading(Pause.CONGESTION)
            # 4. Wait only for a client that reads something.
            timeout = self.settings.slow_reader_timeout
            self._slow_reader = SlowReaderWatch(
                self._transport, self.timers, timeout, self._disconnect_slow_reader
            )

    def resume_writing(self) -> None:
        self._end_slow_reader_watch()
        if not self.writer.resume():
            return  # the queue has filled the buffer again, and so called `pause_writing`
        # Only now, with an empty queue: frames on the fast path would overtake queued ones.
        if self._handler is not None and self.state is SocketState.OPEN:
            self._handler.on_relief()
            self.resume_reading(Pause.CONGESTION)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        self.state = SocketState.CLOSED
        self.writer.discard()
        # The kernel sends the end of the stream when the last descriptor is closed.
        self.writer.release_duplicate()
        self._inbox = None
        self._end_slow_reader_watch()
        if self._ping_timer is not None:
            # It would keep everything of this connection in memory until it is due.
            self._ping_timer.cancel()
        if self._handler is not None:
            # Clear `_handler` first: nothing that `on_end` does may lead back to the handler.
            handler, self._handler = self._handler, None
            handler.on_end()

    def shutdown(self) -> None:
        """Close; uvicorn calls this for the connections that are still open when it stops."""
        if self._handler is None:
            self._close_transport()
        else:
            self.close(_SERVICE_RESTART, "the server is shutting down")

    def _close_after(self, last: partial[None]) -> None:
        """Close with the frames that wait, and then the bytes that `last` writes."""
        if self.state is SocketState.OPEN:
            self.state = SocketState.CLOSING
            # 1. Leave the fast path: no event may follow the close frame.
            if self._handler is not None:
                self._handler.on_congestion()
            self._end_slow_reader_watch()
            self.timers.call_later(CLOSE_TIMEOUT, self.abort)
        # 2. Send the frames of this turn and the queued frames, then the last bytes.
        self._read_by_transport()
        self.writer.end(last)
        # 3. Read on and discard: unread bytes would make the kernel answer with a reset, which can
        #    destroy our last frames before the client reads them.
        self._transport.resume_reading()

    def _send_close(self, code: int, reason: str) -> None:
        parser = self._borrow()
        if parser.state is State.OPEN:
            parser.send_close(code, reason)
            self._send_parser_output()

    def _send_parser_output(self) -> None:
        parser = self._borrow()
        output = parser.data_to_send()
        data = b"".join(output)
        if _END not in output:
            if data:
                self.writer.write(data)
            return
        sent = parser.close_sent
        if sent is not None and sent.code == _TOO_BIG and self._parsers in self.auth_parsers:
            self.meters.limit_hits[Limit.AUTH_MESSAGE_LIMIT] += 1
        # The client has sent its close frame, and the parser has answered it: the handshake is
        # complete. Else the parser has failed the connection, and the client must answer.
        if self._handler is None or parser.close_rcvd is not None:
            self.state = SocketState.CLOSED
            self.writer.discard()
            if data:
                self.writer.write(data)
            return self._close_transport()
        self._close_after(partial(self._end_output, data))

    def _close_transport(self) -> None:
        # A closing transport discards later writes; those past it would still be sent.
        self.writer.release_duplicate()
        self._transport.close()

    def _end_output(self, data: bytes) -> None:
        """Send the last bytes, and close this half of the connection."""
        if data:
            self.writer.write(data)
        if self._transport.can_write_eof():  # TLS cannot close one half
            self._transport.write_eof()

    def _ping(self) -> None:
        if self.state is SocketState.OPEN:
            self._read_by_transport()  # so that the answer is seen
            self._heard = False
            self.writer.write(_PING)
            self._ping_timer = self.timers.call_later(self.settings.ping_timeout, self._check_pong)

    def _check_pong(self) -> None:
        if self.state is not SocketState.OPEN:
            return
        # While this socket does not read, a pong cannot be seen.
        if not self._heard and not self._pauses:
            self.meters.limit_hits[Limit.PING_TIMEOUT] += 1
            return self.abort()
        rest = max(0.0, self.settings.ping_interval - self.settings.ping_timeout)
        self._ping_timer = self.timers.call_later(rest, self._ping)

    def _disconnect_slow_reader(self) -> None:
        self.meters.limit_hits[Limit.SLOW_READER_TIMEOUT] += 1
        self.writer.discard()  # else the close frame would wait for the queue
        if self._handler is not None:
            self._handler.on_slow()

    def _end_slow_reader_watch(self) -> None:
        if self._slow_reader is not None:
            self._slow_reader.cancel()
            self._slow_reader = None


def address_of(transport: asyncio.BaseTransport) -> str:
    """The client's address and port, for logs."""
    peer = transport.get_extra_info("peername")
    if not peer:
        return "unknown"
    return f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else str(peer)
