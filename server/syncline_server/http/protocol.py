"""uvicorn's HTTP protocol with limits on heads and times, and refusals in JSON.

Heads are counted while the parser reads them, before they are buffered. A client that sends a
request too slowly is refused. A reader that takes nothing of a reply is disconnected: an event
stream would wait for it permanently.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol

import httptools
import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from syncline_protocol.errors import Code, Refusal
from syncline_server.observability.audit import Audit
from syncline_server.observability.metrics import Limit, Meters

from .errors import RETRY_AFTER, error_body
from .middleware.exchange import REQUEST_ID, make_request_id, peer_of
from .open_files import OpenFiles

__all__ = ["BODY_RATE", "Limits", "http_protocol"]


BODY_RATE = 16_384
"""Bytes of a body that restart `body_timeout`. If one byte were enough, a few hundred clients that
send byte by byte could occupy all of `max_requests` permanently."""


class RunningTimer(Protocol):
    """A scheduled call."""

    def cancel(self) -> None:
        """Drop the call and every reference to its callback."""


StartTimer = Callable[[float, Callable[[], None]], RunningTimer]
"""Schedules a callback: seconds from now, callback."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits beyond which a request is refused or a connection closed.

    Attributes:
        url: maximum bytes in a URL.
        head: maximum bytes in the URL and all headers.
        connections: maximum connections of one process, of any kind.
        header_timeout: seconds for a complete head; for the first one, counted from the connect.
        body_timeout: seconds in which `BODY_RATE` bytes of a body, or its end, must arrive.
        reader_timeout: seconds after which a reader that took nothing of a reply is disconnected.
    """

    url: int
    head: int
    connections: int
    header_timeout: float
    body_timeout: float
    reader_timeout: float


class HttpProtocol(HttpToolsProtocol):
    """One HTTP connection. Refuses requests that the parser or a limit stops before any route.

    Each such refusal closes the connection: after an aborted parse nothing says where the next
    request begins. `http_protocol` sets the class attributes.
    """

    limits: Limits
    timer: StartTimer
    meters: Meters
    audit: Audit
    open_files: OpenFiles

    # The setting that bounds the part being read, `HEADER_TIMEOUT` or `BODY_TIMEOUT`; None between
    # requests. `_since` is the loop time from which it counts.
    _reading: Limit | None = None
    _since = 0.0
    _timer: RunningTimer | None = None
    _refusal: Refusal | None = None
    _head_size = 0
    # Bytes fed since the parser's last callback: it buffers a header until that is complete.
    _kept_back = 0
    # Bytes of the body since `_since`.
    _body_rate = 0
    _progress_check: asyncio.TimerHandle | None = None
    # The request that was started last; `cycle` may be one that is pipelined after it.
    _running: RequestResponseCycle | None = None

    def connection_made(  # type: ignore[override]  # as uvicorn has it
        self, transport: asyncio.Transport
    ) -> None:
        super().connection_made(transport)
        self._read(Limit.HEADER_TIMEOUT)
        if len(self.connections) > self.limits.connections:
            self.meters.limit_hits[Limit.MAX_CONNECTIONS] += 1
            self._refusal = Refusal(Code.UNAVAILABLE, "The server has too many connections.")
            self.send_400_response(self._refusal.message)
        elif self._has_no_room():
            self._refusal = Refusal(Code.UNAVAILABLE, "The server has too many open files.")
            self.send_400_response(self._refusal.message)

    def take_over(self, transport: asyncio.Transport, connected_at: float) -> None:
        """Begin with a connection that was made at this loop time: it counts for its first head."""
        self.connection_made(transport)
        if self._timer is not None:
            self._end_watch()
            self._since = connected_at
            self._check_reading()

    @classmethod
    def has_room(cls, transport: asyncio.Transport, count: int) -> bool:
        """False if `connection_made` would refuse the connection; `count`: how many there are."""
        peer = transport.get_extra_info("socket")
        number = -1 if peer is None else peer.fileno()
        return count <= cls.limits.connections and cls.open_files.has_room(number)

    def _has_no_room(self) -> bool:
        peer = self.transport.get_extra_info("socket")
        number = -1 if peer is None else peer.fileno()
        return self.open_files.are_exhausted(number, peer_of(self.client))

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_watching()
        self._end_watch()
        # uvicorn tells only the newest request that its client has left. With pipelined requests
        # that one waits, and the one before it would write to the closed connection.
        running, self._running = self._running, None
        if running is not None and not running.response_complete:
            running.disconnected = True
            running.message_event.set()
        super().connection_lost(exc)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stop_watching()
        self._watch_progress()

    def resume_writing(self) -> None:
        self._stop_watching()
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        """Feed the parser. Unlike uvicorn's version it logs nothing: any client could flood the log
        with malformed requests."""
        self._kept_back += len(data)
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")
            return
        except httptools.HttpParserUpgrade:
            if self._should_upgrade():
                self.handle_websocket_upgrade()
        # A single endless header never reaches `on_header`, so `_count` does not see it.
        if self._kept_back > self.limits.head and not self.transport.is_closing():
            self._refusal = self._too_large()
            self.send_400_response(self._refusal.message)

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection and the parsed request to the WebSocket protocol. uvicorn's version
        writes the request out and has it parsed a second time."""
        self.connections.discard(self)
        make: Any = self.ws_protocol_class
        socket = make(config=self.config, server_state=self.server_state, app_state=self.app_state)
        socket.connection_made(self.transport)
        socket.open(self.scope["method"], self.url, self.scope["http_version"], self.headers)
        self.transport.set_protocol(socket)
        # Free this protocol now: the timer and the parser refer to it, and the socket may stay open
        # for days.
        self._end_watch()
        del self.parser

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_size = self._kept_back = 0
        if self._reading is None:
            self._read(Limit.HEADER_TIMEOUT)

    def on_headers_complete(self) -> None:
        codings = [value for name, value in self.headers if name == b"transfer-encoding"]
        if codings and [each.strip().lower() for each in codings] != [b"chunked"]:
            self._refuse(
                Refusal(
                    Code.BAD_REQUEST,
                    "The Transfer-Encoding of a request must be chunked, and nothing else.",
                )
            )
        self._read(Limit.BODY_TIMEOUT)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._reading = None
        super().on_message_complete()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > self.limits.url:
            self.meters.limit_hits[Limit.URL_LIMIT] += 1
            self._refuse(
                Refusal(
                    Code.URI_TOO_LONG,
                    f"The URL is too long; at most {self.limits.url} bytes are allowed.",
                )
            )
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header, and keep it only if it belongs to the head.

        Trailers of a chunked body are dropped: a proxy that filters the headers of the head passes
        trailers unfiltered.
        """
        self._count(len(name) + len(value) + len(b": \r\n"))
        if self._reading is not Limit.BODY_TIMEOUT:
            super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        self._kept_back = 0
        self._body_rate += len(body)
        if self._body_rate >= BODY_RATE:
            self._since, self._body_rate = self.loop.time(), 0
        super().on_body(body)

    def send_400_response(self, msg: str) -> None:
        """Answer with the refusal that stopped the parser, else with `msg`, and close."""
        refusal = self._refusal or Refusal(Code.BAD_REQUEST, msg)
        request_id = make_request_id()
        known = {
            "request": request_id,
            "wire": "rest",
            "peer": peer_of(self.client),
            "reason": refusal.message,
        }
        self.audit.turned_away(refusal.code, "request", lambda: known)
        body = orjson.dumps(error_body(int(refusal.code), refusal.code.status, refusal.message))
        status = HTTPStatus(refusal.code.status)
        lines = [
            f"HTTP/1.1 {status.value} {status.phrase}",
            "content-type: application/json",
            "cache-control: no-store",
            f"content-length: {len(body)}",
            f"{REQUEST_ID}: {request_id}",
            "connection: close",
            *([f"retry-after: {RETRY_AFTER}"] if refusal.code.retry else []),
            *(
                f"{name.decode()}: {value.decode()}"
                for name, value in self.server_state.default_headers
            ),
        ]
        self.transport.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        self.transport.close()

    def _should_upgrade(self) -> bool:
        """False while a pipelined request has no complete reply: its reply would be written into
        the WebSocket."""
        is_idle = self.cycle is None or self.cycle.response_complete
        return is_idle and super()._should_upgrade()

    def _read(self, limit: Limit) -> None:
        self._reading, self._since, self._body_rate = limit, self.loop.time(), 0
        # One timer for the connection, not one for each request: `_check_reading` looks at
        # `_since` when it fires, and schedules itself again for what is left.
        if self._timer is None:
            self._watch_reading(self.limits.header_timeout)

    def _watch_reading(self, seconds: float) -> None:
        self._timer = self.timer(min(seconds, self.limits.header_timeout), self._check_reading)

    def _end_watch(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check_reading(self) -> None:
        self._timer = None
        if self._reading is None or self.transport.is_closing():
            return
        if self.flow.read_paused:
            # We do not read now, so the client is not the slow side.
            self._since = self.loop.time()
        seconds: float = getattr(self.limits, self._reading)
        left = self._since + seconds - self.loop.time()
        if left > 0:
            self._watch_reading(left)
        else:
            self._give_up(self._reading, seconds)

    def _give_up(self, limit: Limit, seconds: float) -> None:
        self.meters.limit_hits[limit] += 1
        answering = self.cycle is not None and not self.cycle.response_complete
        if answering and self.cycle.response_started:
            self.transport.abort()  # the reply has begun: a second one would land in its body
        elif self.scope is None:
            self.transport.close()  # no request ever began
        else:
            self._refusal = Refusal(
                Code.REQUEST_TIMEOUT, f"The request did not arrive within {seconds:g} s."
            )
            self.send_400_response(self._refusal.message)

    def _watch_progress(self) -> None:
        """Check after each `reader_timeout` that the write buffer shrank, until writing resumes;
        abort the connection if it did not."""
        size = self.transport.get_write_buffer_size()

        def check() -> None:
            if self.transport.get_write_buffer_size() >= size:
                self.meters.limit_hits[Limit.SLOW_READER_TIMEOUT] += 1
                self.transport.abort()
            else:
                self._watch_progress()

        self._progress_check = self.loop.call_later(self.limits.reader_timeout, check)

    def _stop_watching(self) -> None:
        if self._progress_check is not None:
            self._progress_check.cancel()

    def _count(self, size: int) -> None:
        self._kept_back = 0
        self._head_size += size
        if self._head_size > self.limits.head:
            self._refuse(self._too_large())

    def _refuse(self, refusal: Refusal) -> None:
        """Abort the parse from within a callback of the parser.

        httptools turns the exception into `HttpParserError`; `data_received` then replies.
        """
        self._refusal = refusal
        raise refusal

    def _too_large(self) -> Refusal:
        """Make the refusal and count it as a hit of `header_limit`."""
        self.meters.limit_hits[Limit.HEADER_LIMIT] += 1
        return Refusal(
            Code.HEADERS_TOO_LARGE,
            f"The headers are too large; at most {self.limits.head} bytes are allowed.",
        )


def http_protocol(
    limits: Limits, timer: StartTimer, meters: Meters, audit: Audit
) -> type[HttpProtocol]:
    """The protocol class for uvicorn's `http` option."""

    class Bounded(HttpProtocol):
        pass

    Bounded.limits, Bounded.meters, Bounded.audit = limits, meters, audit
    Bounded.open_files = OpenFiles(meters)
    Bounded.timer = staticmethod(timer)
    return Bounded
