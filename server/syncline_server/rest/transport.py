"""HTTP under uvicorn: request heads bounded before they are buffered, bad ones answered in JSON.

And readers that take nothing are given up: an event stream would wait for them for ever.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from syncline_protocol.errors import Code, Refusal

from .errors import error_body
from .middleware import REQUEST_ID, make_request_id

__all__ = ["http_protocol"]


class HttpProtocol(HttpToolsProtocol):
    """Refuses what no route can, and closes: the connection's next byte could mean anything.

    Class attributes, set by `http_protocol`: `url_limit` and `head_limit` in bytes, `patience` in
    seconds.
    """

    url_limit: int
    head_limit: int
    patience: float

    _refusal: Refusal | None = None
    _head_size = 0
    # What arrived since the parser last told of anything: it keeps a header until that is complete.
    _kept_back = 0
    _progress_check: asyncio.TimerHandle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_watching()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stop_watching()
        self._watch_progress()

    def resume_writing(self) -> None:
        self._stop_watching()
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        self._kept_back += len(data)
        super().data_received(data)
        if self._kept_back > self.head_limit and not self.transport.is_closing():
            self._refusal = self._too_large()
            self.send_400_response(self._refusal.message)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_size = self._kept_back = 0

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > self.url_limit:
            self._refuse(
                Refusal(
                    Code.URI_TOO_LONG,
                    f"The URL is too long; at most {self.url_limit} bytes are allowed.",
                )
            )
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Of the head or, after a chunked body, of its trailer."""
        self._count(len(name) + len(value) + len(b": \r\n"))
        super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        self._kept_back = 0
        super().on_body(body)

    def send_400_response(self, msg: str) -> None:
        """Answer with the refusal that stopped the parser, or with the parser's complaint."""
        refusal = self._refusal or Refusal(Code.BAD_REQUEST, msg)
        body = orjson.dumps(error_body(int(refusal.code), refusal.code.status, refusal.message))
        status = HTTPStatus(refusal.code.status)
        lines = [
            f"HTTP/1.1 {status.value} {status.phrase}",
            "content-type: application/json",
            f"content-length: {len(body)}",
            f"{REQUEST_ID}: {make_request_id()}",
            "connection: close",
            *(
                f"{name.decode()}: {value.decode()}"
                for name, value in self.server_state.default_headers
            ),
        ]
        self.transport.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        self.transport.close()

    def _watch_progress(self) -> None:
        """Until the reader has taken what waits; one that takes nothing of it is cut off."""
        size = self.transport.get_write_buffer_size()

        def check() -> None:
            if self.transport.get_write_buffer_size() >= size:
                self.transport.abort()
            else:
                self._watch_progress()

        self._progress_check = self.loop.call_later(self.patience, check)

    def _stop_watching(self) -> None:
        if self._progress_check is not None:
            self._progress_check.cancel()

    def _count(self, size: int) -> None:
        self._kept_back = 0
        self._head_size += size
        if self._head_size > self.head_limit:
            self._refuse(self._too_large())

    def _refuse(self, refusal: Refusal) -> None:
        """Stop the parser, which then asks for the reply."""
        self._refusal = refusal
        raise refusal

    def _too_large(self) -> Refusal:
        return Refusal(
            Code.HEADERS_TOO_LARGE,
            f"The headers are too large; at most {self.head_limit} bytes are allowed.",
        )


def http_protocol(url_limit: int, head_limit: int, patience: float) -> type[HttpProtocol]:
    """The class to give uvicorn as `http`.

    Args:
        url_limit: bytes in a URL, at most.
        head_limit: bytes in the URL and all headers, at most.
        patience: seconds that a reader may take nothing of a reply.
    """

    class Bounded(HttpProtocol):
        pass

    Bounded.url_limit, Bounded.head_limit, Bounded.patience = url_limit, head_limit, patience
    return Bounded
