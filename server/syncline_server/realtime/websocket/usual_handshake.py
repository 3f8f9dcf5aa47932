"""The usual opening handshake, read and answered in one step.

It takes only requests of which nothing needs a second look; `Handshake` answers the others by the
library, and refuses what is wrong. Both accept the same requests.
"""

from __future__ import annotations

import binascii
import hashlib
import logging
import time
from collections.abc import Mapping
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import NamedTuple

import httptools
from websockets.datastructures import Headers
from websockets.exceptions import InvalidHandshake
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.server import ServerProtocol

__all__ = [
    "DEFLATE",
    "HEADS_KNOWN",
    "UsualHead",
    "UsualRequest",
    "acceptance",
    "negotiate",
    "read_request",
    "rejection",
]

DEFLATE = ServerPerMessageDeflateFactory(
    server_no_context_takeover=True, client_no_context_takeover=True
)

OFFERS_KNOWN = 64
"""Offers of extensions whose answers are remembered, at most: each browser has always one."""

OFFER_LENGTH = 256
"""Bytes in an offer whose answer is remembered, at most."""

HEADS_KNOWN = 64
"""Heads of requests that are remembered, at most: those of one client program differ only in their
key, unless they have cookies or pass a proxy."""

HEAD_LENGTH = 2048
"""Bytes in a head that is remembered, at most."""

_END = b"\r\n\r\n"
_CONNECTION = {b"upgrade", b"keep-alive, upgrade", b"upgrade, keep-alive"}
_OF_BODIES = {b"content-length", b"transfer-encoding"}
_KEY_NAME = b"\r\nSec-WebSocket-Key: "
_KEY_SIZE = 24
_SAMPLE_KEY = b"A" * (_KEY_SIZE - 2) + b"=="
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class UsualHead:
    """The head of a request to open a WebSocket, with everything that RFC 6455 requires.

    Attributes:
        headers: by their names, in lower case; each occurs once. The key is not the request's.
    """

    __slots__ = ("headers", "url")

    def __init__(self, url: bytes, headers: Mapping[bytes, bytes]) -> None:
        self.url = url
        self.headers = headers

    def values(self, name: str) -> list[str]:
        """The values of a header, as `Headers.get_all` returns them."""
        value = self.headers.get(name.lower().encode())
        return [] if value is None else [value.decode("latin-1")]


class UsualRequest(NamedTuple):
    """A request to open a WebSocket: its head, and its key, which is that of no other request."""

    head: UsualHead
    key: bytes


class _Head:
    """Takes the parts of a head from the parser."""

    __slots__ = ("headers", "url")

    def __init__(self) -> None:
        self.url = b""
        self.headers: list[tuple[bytes, bytes]] = []

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))


def read_request(data: bytes) -> UsualRequest | None:
    """The request in the first bytes of a connection; None unless they are exactly one of these."""
    start = data.find(_KEY_NAME) + len(_KEY_NAME)
    end = start + _KEY_SIZE
    key = data[start:end]
    if start < len(_KEY_NAME) or not _is_key(key):
        head = _read_head(data)
        return None if head is None else UsualRequest(head, head.headers[b"sec-websocket-key"])
    # A key of this form is one like any other to the parser and to all checks.
    sample = data[:start] + _SAMPLE_KEY + data[end:]
    head = _known_head(sample) if len(sample) <= HEAD_LENGTH else _read_head(sample)
    return None if head is None else UsualRequest(head, key)


def _read_head(data: bytes) -> UsualHead | None:
    if not data.startswith(b"GET ") or data.find(_END) != len(data) - len(_END):
        return None
    head = _Head()
    parser = httptools.HttpRequestParser(head)
    try:
        parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        pass
    except httptools.HttpParserError:
        return None
    else:
        return None
    headers = dict(head.headers)
    if (
        len(headers) != len(head.headers)
        or parser.get_http_version() != "1.1"
        or headers.get(b"upgrade", b"").lower() != b"websocket"
        or headers.get(b"connection", b"").lower() not in _CONNECTION
        or headers.get(b"sec-websocket-version") != b"13"
        or not _is_key(headers.get(b"sec-websocket-key", b""))
        or not headers.keys().isdisjoint(_OF_BODIES)
    ):
        return None
    return UsualHead(head.url, headers)


_known_head = lru_cache(HEADS_KNOWN)(_read_head)


def _is_key(value: bytes) -> bool:
    """True for 16 bytes in base64."""
    try:
        return len(value) == _KEY_SIZE and len(binascii.a2b_base64(value, strict_mode=True)) == 16
    except binascii.Error:
        return False


@lru_cache(OFFERS_KNOWN)
def negotiate(offer: bytes) -> bytes | None:
    """The answer to an offer of extensions; empty to use none, None if the library must decide."""
    if len(offer) > OFFER_LENGTH:
        return None
    if b"server_max_window_bits" in offer:
        return b""  # frames are shared, so all have the same window
    parser = ServerProtocol(extensions=[DEFLATE], logger=logging.getLogger("syncline.socket"))
    named = Headers([("Sec-WebSocket-Extensions", offer.decode("latin-1"))])
    try:
        answer, _ = parser.process_extensions(named)
    except InvalidHandshake:
        return None
    return (answer or "").encode()


def acceptance(request: UsualRequest, subprotocol: str | None, extensions: bytes) -> bytes:
    """The response that accepts a request. `extensions`: the answer to its offer."""
    digest = hashlib.sha1(request.key + _GUID).digest()
    accept = binascii.b2a_base64(digest, newline=False)
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nDate: "
        + _date(int(time.time()))
        + b"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
        + accept
        + (b"\r\nSec-WebSocket-Extensions: " + extensions if extensions else b"")
        + (b"" if subprotocol is None else b"\r\nSec-WebSocket-Protocol: " + subprotocol.encode())
        + _END
    )


def rejection(status: HTTPStatus, message: str, headers: Mapping[str, str]) -> bytes:
    """The response that refuses a request, with the library's headers and these."""
    body = f"{message}\n".encode()
    lines = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        f"Date: {_date(int(time.time())).decode()}",
        "Connection: close",
        f"Content-Length: {len(body)}",
        "Content-Type: text/plain; charset=utf-8",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join(lines).encode() + _END + body


@lru_cache(1)
def _date(seconds: int) -> bytes:
    return formatdate(seconds, usegmt=True).encode()
