"""The protocol of a connection until its first bytes: they open a WebSocket, or begin HTTP.

Most connections of a server are WebSockets, and the HTTP protocol is large. So a request in the
usual form is answered here. Every other connection goes to the HTTP protocol, with the bytes that
have come; it opens the other WebSockets too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol, cast

from syncline_server.observability.metrics import Limit, Meters
from syncline_server.realtime.timer_wheel import TimerWheel

from .socket import Socket, address_of
from .usual_handshake import read_request

__all__ = ["ConnectionStart", "HttpConnection", "NewConnection"]


class HttpConnection(Protocol):
    """The HTTP protocol of one connection."""

    def take_over(self, transport: asyncio.Transport, connected_at: float) -> None:
        """As `connection_made`, some time later. `connected_at`: loop time."""

    def data_received(self, data: bytes) -> None: ...


class ConnectionStart:
    """Makes the protocol of each new connection, and ends those that send nothing in time.

    They all have the same time. So one timer, for the oldest of them, serves all.
    """

    def __init__(
        self,
        make_http: Callable[[], HttpConnection],
        make_socket: Callable[[], Socket],
        *,
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

    def __call__(self) -> NewConnection:
        return NewConnection(self)

    def wait_for(self, connection: NewConnection) -> None:
        """Count the time from now."""
        self.waiting[connection] = self._loop.time()
        if not self._is_timing:
            self._is_timing = True
            self._timers.call_later(self._timeout, self._end_late)

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

    __slots__ = ("_start", "_transport")

    def __init__(self, start: ConnectionStart) -> None:
        self._start = start
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        start = self._start
        start.wait_for(self)
        start.connections.add(self)
        if not start.has_room(self._transport):
            self._leave_to_http(b"")

    def data_received(self, data: bytes) -> None:
        transport, start = self._transport, self._start
        if transport is None:
            return
        request = None
        if len(data) <= start.head_limit and b"pgrade" in data:
            request = read_request(data)
        if request is None or len(request.url) > start.url_limit:
            return self._leave_to_http(data)
        socket = start.make_socket()
        accepted = socket.handshake.accept(request, address_of(transport))
        if accepted is None:
            return self._leave_to_http(data)
        self._leave()
        socket.connection_made(transport)
        transport.set_protocol(socket)
        socket.begin(accepted)

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()

    def shutdown(self) -> None:
        """Close: the time is over, or the server stops."""
        transport = self._transport
        self._leave()
        if transport is not None:
            transport.close()

    def _leave_to_http(self, data: bytes) -> None:
        transport, connected_at = self._transport, self._start.waiting[self]
        assert transport is not None
        self._leave()
        http = self._start.make_http()
        transport.set_protocol(cast(asyncio.BaseProtocol, http))
        http.take_over(transport, connected_at)
        if data:
            http.data_received(data)

    def _leave(self) -> None:
        """End the part of this protocol; safe to repeat."""
        self._transport = None
        self._start.waiting.pop(self, None)
        self._start.connections.discard(self)
