"""The protocol of a connection until its first bytes: they open a WebSocket, or begin HTTP.

Most connections of a server are WebSockets, and the HTTP protocol is large. So a request in the
usual form is answered here. Every other connection goes to the HTTP protocol, with the bytes that
have come; it opens the other WebSockets too.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol, cast

from syncline_server.observability.metrics import Limit, Meters
from syncline_server.realtime.timer_wheel import TimerWheel

from .handshake import Handshake
from .socket import Socket, address_of
from .usual_handshake import read_request

__all__ = ["ConnectionStart", "HttpConnection", "NewConnection"]

PER_TURN = 16
"""Connections whose first bytes one turn of the event loop takes up: a few milliseconds with all
that follows from them."""


class HttpConnection(Protocol):
    """The HTTP protocol of one connection."""

    def take_over(self, transport: asyncio.Transport, connected_at: float) -> None:
        """As `connection_made`, some time later. `connected_at`: loop time."""

    def data_received(self, data: bytes) -> None: ...


class ConnectionStart:
    """Makes the protocol of each new connection, and ends those that send nothing in time.

    They all have the same time. So one timer, for the oldest of them, serves all.

    When a server has restarted, very many clients come at once. So each turn of the event loop
    takes up the first bytes of a few connections only, in the order in which they came. Between
    them, everybody else is served.
    """

    def __init__(
        self,
        make_http: Callable[[], HttpConnection],
        make_socket: Callable[[], Socket],
        *,
        handshake: Handshake,
        connections: set[Any],
        has_room: Callable[[asyncio.Transport], bool],
        url_limit: int,
        head_limit: int,
        timeout: float,
        timers: TimerWheel,
        meters: Meters,
    ) -> None:
        """
        Args:
            connections: all connections of the process, of any kind.
            has_room: False if a connection must be refused, which is left to HTTP.
            url_limit, head_limit: bytes in a URL, and in a head.
            timeout: seconds for the first bytes.
        """
        self.make_http = make_http
        self.make_socket = make_socket
        self.handshake = handshake
        self.connections = connections
        self.has_room = has_room
        self.url_limit = url_limit
        self.head_limit = head_limit
        # By connection, the oldest first: the loop time at which it came.
        self.waiting: dict[NewConnection, float] = {}
        self._loop = asyncio.get_running_loop()
        self._timeout = timeout
        self._timers = timers
        self._meters = meters
        self._is_timing = False
        # Connections whose first bytes wait for their turn, and how many this turn still takes.
        self._queue: deque[NewConnection] = deque()
        self._room = PER_TURN

    def __call__(self) -> NewConnection:
        return NewConnection(self)

    def wait_for(self, connection: NewConnection) -> None:
        """Count the time from now."""
        self.waiting[connection] = self._loop.time()
        if not self._is_timing:
            self._is_timing = True
            self._timers.call_later(self._timeout, self._end_late)

    def take_up(self, connection: NewConnection) -> None:
        """Let a connection `begin`, now or in a later turn."""
        if self._room == PER_TURN:
            self._loop.call_soon(self._next_turn)
        if self._room:
            self._room -= 1
            connection.begin()
        else:
            self._queue.append(connection)

    def _next_turn(self) -> None:
        self._room = PER_TURN
        for _ in range(min(PER_TURN, len(self._queue))):
            self.take_up(self._queue.popleft())

    def _end_late(self) -> None:
        now = self._loop.time()
        for connection, connected_at in list(self.waiting.items()):
            left = connected_at + self._timeout - now
            if left > 0:
                self._timers.call_later(left, self._end_late)
                return
            self._meters.limit_hits[Limit.HEADER_TIMEOUT] += 1
            connection.shutdown()
        self._is_timing = False


class NewConnection(asyncio.Protocol):
    """A connection that has sent nothing yet."""

    __slots__ = ("_data", "_start", "_transport")

    def __init__(self, start: ConnectionStart) -> None:
        self._start = start
        # None once another protocol has the connection, or it has ended.
        self._transport: asyncio.Transport | None = None
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        start = self._start
        start.wait_for(self)
        start.connections.add(self)
        if not start.has_room(self._transport):
            self._leave_to_http()

    def data_received(self, data: bytes) -> None:
        self._data += data
        if len(self._data) == len(data):
            self._start.take_up(self)
        elif len(self._data) > self._start.head_limit:
            self._leave_to_http()

    def begin(self) -> None:
        """Read the first bytes."""
        transport, start, data = self._transport, self._start, self._data
        if transport is None:
            return  # it has ended meanwhile
        request = None
        if len(data) <= start.head_limit and b"pgrade" in data:
            request = read_request(data)
        if request is None or len(request.head.url) > start.url_limit:
            return self._leave_to_http()
        settled = start.handshake.settle(request, address_of(transport))
        if settled is None:
            return self._leave_to_http()
        self._leave()
        if isinstance(settled, bytes):
            transport.write(settled)
            return transport.close()
        socket = start.make_socket()
        socket.connection_made(transport)
        transport.set_protocol(socket)
        socket.begin(settled)

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()

    def shutdown(self) -> None:
        """Close: the time is over, or the server stops."""
        transport = self._transport
        self._leave()
        if transport is not None:
            transport.close()

    def _leave_to_http(self) -> None:
        transport, data = self._transport, self._data
        if transport is None:
            return
        connected_at = self._start.waiting[self]
        self._leave()
        http = self._start.make_http()
        transport.set_protocol(cast(asyncio.BaseProtocol, http))
        http.take_over(transport, connected_at)
        if data:
            http.data_received(data)

    def _leave(self) -> None:
        """End the part of this protocol; safe to repeat."""
        self._transport, self._data = None, b""
        self._start.waiting.pop(self, None)
        self._start.connections.discard(self)
