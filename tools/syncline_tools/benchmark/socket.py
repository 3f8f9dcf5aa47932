"""A lightweight client of the native protocol, so that the server is the bottleneck of a test.

It never reconnects, does not validate messages, and passes events on as bytes.
"""

from __future__ import annotations

import asyncio
import base64
import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

import orjson
from websockets.frames import Frame, Opcode

from syncline import ConnectionLost, JsonObject, RequestError

__all__ = ["Place", "Socket"]

PATH = "/v1/ws"
SUBPROTOCOL = "syncline.v1"

EVENT = b'{"event":"updated"'
"""Prefix of the events that are passed on; other messages without an id are dropped."""

DIAL_TIMEOUT = 10.0
"""Seconds to connect, complete the handshake and authenticate."""

_SWITCHING = b"HTTP/1.1 101 "
_BUSY = (b"429", b"503")

_EXTENDED = {126: 2, 127: 8}
"""Bytes of the extended payload length, by the 7-bit length (RFC 6455, section 5.2)."""

OnEvent = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Place:
    """A server and the credentials to use it.

    Attributes:
        url: base URL.
        token: returns an access token.
        tls: verifies the server's certificate; None trusts the authorities that the system trusts.
    """

    url: str
    token: Callable[[], str]
    tls: ssl.SSLContext | None = None


class Socket(asyncio.Protocol):
    """One connection; `dial` makes it."""

    def __init__(self, head: bytes, on_event: OnEvent) -> None:
        """`head`: the request of the WebSocket handshake."""
        self._head = head
        self._on_event = on_event
        self._upgraded: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._replies: dict[int, asyncio.Future[Any]] = {}
        self._last_id = 0
        self._rest = b""
        self._message = b""
        self._transport: asyncio.Transport | None = None
        self._end: ConnectionLost | None = None

    @classmethod
    async def dial(cls, place: Place, on_event: OnEvent) -> Socket:
        """Connect and authenticate; `on_event` is called with each `updated` event.

        Raises:
            ConnectionLost: the connection failed; `retry` is True if the server had no room.
            RequestError: the token was refused.
        """
        try:
            async with asyncio.timeout(DIAL_TIMEOUT):
                socket = await cls._connect(place, on_event)
                try:
                    await socket._upgraded
                    await socket.send_request({"do": "auth", "token": place.token()})
                except BaseException:
                    socket.close()
                    raise
        except TimeoutError:
            said = f"{place.url} did not answer for {DIAL_TIMEOUT:g} s"
            raise ConnectionLost(said, retry=False) from None
        except OSError as error:
            said = f"{place.url} cannot be reached: {error}"
            raise ConnectionLost(said, retry=False) from error
        return socket

    @classmethod
    async def _connect(cls, place: Place, on_event: OnEvent) -> Socket:
        parts = urlsplit(place.url)
        is_secure = parts.scheme == "https"
        head = _handshake(parts.netloc.rpartition("@")[2], parts.path.rstrip("/") + PATH)
        _, socket = await asyncio.get_running_loop().create_connection(
            lambda: cls(head, on_event),
            parts.hostname or "",
            parts.port or (443 if is_secure else 80),
            ssl=(place.tls or ssl.create_default_context()) if is_secure else None,
        )
        return socket

    def send_request(self, request: JsonObject) -> asyncio.Future[Any]:
        """Send a request; the future ends with `ok`, `RequestError` or `ConnectionLost`."""
        future = asyncio.get_running_loop().create_future()
        if self._end is not None:
            _reject(future, self._end)
            return future
        self._last_id += 1
        self._replies[self._last_id] = future
        self._send(Opcode.TEXT, orjson.dumps({"id": self._last_id, **request}))
        return future

    def close(self) -> None:
        """Cut the connection."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._head)

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(ConnectionLost("the server closed the connection", retry=False))

    def data_received(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
        position = 0 if self._upgraded.done() else self._upgrade(data)
        # Until the handshake has succeeded, the data are not frames.
        while self._upgraded.done() and (found := _payload(data, position)) is not None:
            begin, end = found
            self._handle_frame(data[position], data[begin:end])
            position = end
        self._rest = data[position:]

    def _upgrade(self, data: bytes) -> int:
        """Read the reply to the handshake; return where the frames begin, 0 if incomplete."""
        end = data.find(b"\r\n\r\n")
        if end < 0:
            return 0
        if data.startswith(_SWITCHING):
            self._upgraded.set_result(None)
            return end + 4
        status = data[9:12]
        reason = f"the handshake was answered with HTTP {status.decode('ascii', 'replace')}"
        self._fail(ConnectionLost(reason, retry=status in _BUSY))
        return len(data)

    def _handle_frame(self, first: int, payload: bytes) -> None:
        opcode = first & 0x0F
        if opcode == Opcode.PING:
            self._send(Opcode.PONG, payload)
        elif opcode == Opcode.CLOSE:
            code, reason = int.from_bytes(payload[:2]), payload[2:].decode("utf-8", "replace")
            said = f"the server closed the connection: {code} {reason}"
            self._fail(ConnectionLost(said, retry=False))
        elif opcode in (Opcode.TEXT, Opcode.CONT):
            self._message += payload
            if first & 0x80:
                message, self._message = self._message, b""
                self._handle_message(message)

    def _handle_message(self, message: bytes) -> None:
        if message.startswith(EVENT):
            self._on_event(message)
            return
        body = orjson.loads(message)
        future = self._replies.pop(body.get("id"), None)
        if future is None or future.done():
            return
        if "ok" in body:
            future.set_result(body["ok"])
        else:
            _reject(future, RequestError.parse(body["error"]))

    def _send(self, opcode: Opcode, payload: bytes) -> None:
        assert self._transport is not None
        self._transport.write(Frame(opcode, payload).serialize(mask=True))

    def _fail(self, error: ConnectionLost) -> None:
        if self._end is not None:
            return
        self._end = error
        waiting = [self._upgraded, *self._replies.values()]
        self._replies.clear()
        for future in waiting:
            if not future.done():
                _reject(future, error)
        self.close()


def _reject(future: asyncio.Future[Any], error: Exception) -> None:
    future.set_exception(error)
    # Mark the exception as retrieved: after a failed run nobody awaits the other futures, and
    # asyncio would log each of them.
    future.exception()


def _handshake(host: str, path: str) -> bytes:
    key = base64.b64encode(os.urandom(16)).decode()
    return (
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n"
    ).encode()


def _payload(data: bytes, position: int) -> tuple[int, int] | None:
    """Start and end of the payload of the frame at `position`; None if it is incomplete."""
    begin = position + 2
    if len(data) < begin:
        return None
    length = data[position + 1]
    if (digits := _EXTENDED.get(length)) is not None:
        length = int.from_bytes(data[begin : begin + digits])
        begin += digits
    return (begin, begin + length) if begin + length <= len(data) else None
