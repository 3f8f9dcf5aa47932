"""HTTP under uvicorn: request heads bounded before they are buffered, bad ones answered in JSON.

Who sends a request too slowly is given up, and so is a reader that takes nothing: an event stream
would wait for it for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol

import httptools
import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from syncline_protocol.errors import Code, Refusal
from syncline_server.observability.audit import Audit
from syncline_server.observability.metrics import Meters

from .errors import RETRY_AFTER, error_body
from .middleware.exchange import REQUEST_ID, make_request_id, peer_of
from .open_files import OpenFiles

__all__ = ["BODY_PACE", "Limits", "http_protocol"]


BODY_PACE = 16_384
"""Bytes of a body that renew its time: who sends it byte by byte holds a request's place for ever,
and a few hundred of that kind would keep everybody else out."""


class Alarm(Protocol):
    """A call that is due."""

    def cancel(self) -> None:
        """It is not made any more, and nothing of it stays."""


Timer = Callable[[float, Callable[[], None]], Alarm]
"""Calls back in so many seconds."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What is given up beyond.

    Attributes:
        url: bytes in a URL, at most.
        head: bytes in the URL and all headers, at most.
        connections: those that a process may have, of any kind.
        header_timeout: seconds until a head is complete; a new connection sends one at once.
        body_timeout: seconds in which less than `BODY_PACE` of a body, and not its end, may come.
        reader_timeout: seconds in which a reader may take nothing of a reply.
    """

    url: int
    head: int
    connections: int
    header_timeout: float
    body_timeout: float
    reader_timeout: float


class HttpProtocol(HttpToolsProtocol):
    """Refuses what no route can, and closes: the connection's next byte could mean anything.

    Class attributes, set by `http_protocol`: as its arguments.
    """

    limits: Limits
    timer: Timer
    meters: Meters
    audit: Audit
    open_files: OpenFiles

    # What is read at the moment, by the setting that bounds its time; None between requests.
    _reading: str | None = None
    _since = 0.0
    _alarm: Alarm | None = None
    _refusal: Refusal | None = None
    _head_size = 0
    # What arrived since the parser last told of anything: it keeps a header until that is complete.
    _kept_back = 0
    # What came of the body since its time was last renewed.
    _body_pace = 0
    _progress_check: asyncio.TimerHandle | None = None

    def connection_made(  # type: ignore[override]  # as uvicorn has it
        self, transport: asyncio.Transport
    ) -> None:
        super().connection_made(transport)
        self._read("header_timeout")
        if len(self.connections) > self.limits.connections:
            self.meters.bounds["max_connections"] += 1
            self._refusal = Refusal(Code.UNAVAILABLE, "The server has too many connections.")
            self.send_400_response(self._refusal.message)
        elif self._has_no_room():
            self._refusal = Refusal(Code.UNAVAILABLE, "The server has too many open files.")
            self.send_400_response(self._refusal.message)

    def _has_no_room(self) -> bool:
        peer = self.transport.get_extra_info("socket")
        number = -1 if peer is None else peer.fileno()
        return self.open_files.are_exhausted(number, peer_of(self.client))

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_watching()
        self._end_watch()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stop_watching()
        self._watch_progress()

    def resume_writing(self) -> None:
        self._stop_watching()
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        """As uvicorn's, but without its lines: anybody can cause those, as often as he likes."""
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
        if self._kept_back > self.limits.head and not self.transport.is_closing():
            self._refusal = self._too_large()
            self.send_400_response(self._refusal.message)

    def handle_websocket_upgrade(self) -> None:
        """Hand over the connection and the request; uvicorn's own way has it parsed again."""
        self.connections.discard(self)
        make: Any = self.ws_protocol_class
        socket = make(config=self.config, server_state=self.server_state, app_state=self.app_state)
        socket.connection_made(self.transport)
        socket.open(self.scope["method"], self.url, self.scope["http_version"], self.headers)
        self.transport.set_protocol(socket)
        # Nothing of this protocol stays with the socket, nor waits for the collector of cycles.
        self._end_watch()
        del self.parser

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_size = self._kept_back = 0
        if self._reading is None:
            self._read("header_timeout")

    def on_headers_complete(self) -> None:
        codings = [value for name, value in self.headers if name == b"transfer-encoding"]
        if codings and [each.strip().lower() for each in codings] != [b"chunked"]:
            self._refuse(
                Refusal(
                    Code.BAD_REQUEST,
                    "The Transfer-Encoding of a request must be chunked, and nothing else.",
                )
            )
        self._read("body_timeout")
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._reading = None
        super().on_message_complete()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > self.limits.url:
            self.meters.bounds["url_limit"] += 1
            self._refuse(
                Refusal(
                    Code.URI_TOO_LONG,
                    f"The URL is too long; at most {self.limits.url} bytes are allowed.",
                )
            )
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Of the head or, after a chunked body, of its trailer, which is dropped: a proxy that
        takes care of the head passes whatever stands there."""
        self._count(len(name) + len(value) + len(b": \r\n"))
        if self._reading != "body_timeout":
            super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        self._kept_back = 0
        self._body_pace += len(body)
        if self._body_pace >= BODY_PACE:
            self._since, self._body_pace = self.loop.time(), 0
        super().on_body(body)

    def send_400_response(self, msg: str) -> None:
        """Answer with the refusal that stopped the parser, or with the parser's complaint."""
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
        """Not while there are replies to come: they would go into the socket."""
        is_idle = self.cycle is None or self.cycle.response_complete
        return is_idle and super()._should_upgrade()

    def _read(self, bound: str) -> None:
        self._reading, self._since, self._body_pace = bound, self.loop.time(), 0
        # One alarm a connection at most, not one a request.
        if self._alarm is None:
            self._watch_reading(self.limits.header_timeout)

    def _watch_reading(self, seconds: float) -> None:
        self._alarm = self.timer(min(seconds, self.limits.header_timeout), self._check_reading)

    def _end_watch(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _check_reading(self) -> None:
        self._alarm = None
        if self._reading is None or self.transport.is_closing():
            return
        if self.flow.read_paused:
            self._since = self.loop.time()
        limit: float = getattr(self.limits, self._reading)
        left = self._since + limit - self.loop.time()
        if left > 0:
            self._watch_reading(left)
        else:
            self._give_up(self._reading, limit)

    def _give_up(self, bound: str, limit: float) -> None:
        self.meters.bounds[bound] += 1
        answering = self.cycle is not None and not self.cycle.response_complete
        if answering and self.cycle.response_started:
            self.transport.abort()
        elif self.scope is None:
            self.transport.close()  # nothing was ever asked
        else:
            self._refusal = Refusal(
                Code.REQUEST_TIMEOUT, f"The request did not come within {limit:g} s."
            )
            self.send_400_response(self._refusal.message)

    def _watch_progress(self) -> None:
        """Until the reader has taken what waits; one that takes nothing of it is cut off."""
        size = self.transport.get_write_buffer_size()

        def check() -> None:
            if self.transport.get_write_buffer_size() >= size:
                self.meters.bounds["slow_reader_timeout"] += 1
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
        """Stop the parser, which then asks for the reply."""
        self._refusal = refusal
        raise refusal

    def _too_large(self) -> Refusal:
        """Counted as well."""
        self.meters.bounds["header_limit"] += 1
        return Refusal(
            Code.HEADERS_TOO_LARGE,
            f"The headers are too large; at most {self.limits.head} bytes are allowed.",
        )


def http_protocol(limits: Limits, timer: Timer, meters: Meters, audit: Audit) -> type[HttpProtocol]:
    """The class to give uvicorn as `http`."""

    class Bounded(HttpProtocol):
        pass

    Bounded.limits, Bounded.meters, Bounded.audit = limits, meters, audit
    Bounded.open_files = OpenFiles(meters)
    Bounded.timer = staticmethod(timer)
    return Bounded
