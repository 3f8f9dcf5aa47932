"""A small real HTTP server whose answers a test chooses."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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
    """The answer to a request."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def json_reply(status: int, value: Any, **headers: str) -> Reply:
    """A reply with `value` as JSON; `_` in the names of headers becomes `-`."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Reply(status, orjson.dumps(value), named)


class HttpServer:
    """Serves from construction until the `with` block ends, each connection in its own thread.

    Attributes:
        url: base URL of this server.
        asked: every request so far, in order of arrival.
    """

    def __init__(self, answer: Callable[[Ask], Reply | None]) -> None:
        """`answer`: returns the reply; may block. None closes the connection without a reply."""
        self.asked: list[Ask] = []
        recorded = self.asked

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                ask = Ask(self.command, self.path, dict(self.headers), body)
                recorded.append(ask)
                reply = answer(ask)
                if reply is None:
                    self.close_connection = True
                    return
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)

            do_GET = do_POST = do_DELETE = handle_any

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def forwarding(url: str) -> Callable[[Ask], Reply]:
    """An answer function that forwards each request to the server at `url`."""

    def answer(ask: Ask) -> Reply:
        kept = ("Authorization", "Content-Type", "Idempotency-Key")
        reply = httpx2.request(
            ask.method,
            f"{url}{ask.target}",
            content=ask.body,
            headers={name: ask.headers[name] for name in kept if name in ask.headers},
        )
        return Reply(reply.status_code, reply.content)

    return answer
