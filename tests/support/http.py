"""A small real HTTP server whose answers a test chooses."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ssl import SSLContext
from types import TracebackType
from typing import Any, Self

import httpx2
import orjson

__all__ = ["Ask", "HttpServer", "Reply", "forwarding", "json_reply"]


@dataclass(frozen=True, slots=True)
class Ask:
    """A received request; `target` is its path with the query."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a request.

    Attributes:
        on_end: called once the whole reply is sent, or cannot be sent.
    """

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    on_end: Callable[[], object] = lambda: None


def json_reply(status: int, value: Any, **headers: str) -> Reply:
    """A reply with `value` as JSON; `_` in the names of headers becomes `-`."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Reply(status, orjson.dumps(value), named)


class HttpServer:
    """Serves from construction until `stop` or the end of the `with` block.

    Each connection has its own thread, so that a test may block while a server sends it a request.

    Attributes:
        port: port on this machine; `start` keeps it.
        url: base URL of this server.
        asked: every request so far, in order of arrival.
    """

    def __init__(
        self, answer: Callable[[Ask], Reply | None], tls: SSLContext | None = None
    ) -> None:
        """
        Args:
            answer: returns the reply; may block. None closes the connection without a reply.
            tls: context for HTTPS; None serves HTTP.
        """
        self.port = 0
        self.asked: list[Ask] = []
        self._answer = answer
        self._tls = tls
        self._connections: set[socket.socket] = set()
        self._server: ThreadingHTTPServer | None = None
        self.start()
        self.url = f"http{'' if tls is None else 's'}://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen; after a `stop`, on the same port as before."""
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), self._handler())
        self._server.daemon_threads = True
        self._server.block_on_close = False
        if self._tls is not None:
            self._server.socket = self._tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port = self._server.server_port
        # The interval is how long `stop` waits.
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def stop(self) -> None:
        """Stop listening and break all connections; do nothing if it is stopped."""
        if self._server is None:
            return
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server = None
        for connection in list(self._connections):
            with suppress(OSError):  # the client has closed it
                connection.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle(self) -> None:
                outer._connections.add(self.connection)
                try:
                    with suppress(OSError):  # the client has closed the connection, or `stop`
                        super().handle()
                finally:
                    outer._connections.discard(self.connection)

            def handle_any(self) -> None:
                size = int(self.headers.get("Content-Length", 0))
                body = self.rfile.read(size)
                if len(body) < size:
                    self.close_connection = True  # the client has broken the connection
                    return
                ask = Ask(self.command, self.path, dict(self.headers), body)
                outer.asked.append(ask)
                reply = outer._answer(ask)
                if reply is None:
                    self.close_connection = True
                    return
                try:
                    self.send_response(reply.status)
                    for name, value in reply.headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(reply.body)))
                    self.end_headers()
                    self.wfile.write(reply.body)
                finally:
                    reply.on_end()

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

            def log_message(self, format: str, *args: Any) -> None:
                """Log nothing to the output of the test."""

        return Handler


def forwarding(url: str) -> Callable[[Ask], Reply]:
    """An answer function that forwards each request to the server at `url`."""

    def answer(ask: Ask) -> Reply:
        kept = ("Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match")
        reply = httpx2.request(
            ask.method,
            f"{url}{ask.target}",
            content=ask.body,
            headers={name: ask.headers[name] for name in kept if name in ask.headers},
        )
        return Reply(reply.status_code, reply.content)

    return answer
