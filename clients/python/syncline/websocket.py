"""The native protocol over one WebSocket (docs/protocol.md)."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass
from ssl import SSLContext
from typing import Any, TypeVar

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.frames import CloseCode
from websockets.typing import Subprotocol

from syncline_protocol.errors import Code
from syncline_protocol.native import SUBPROTOCOL, Close

from .exceptions import (
    ClientClosed,
    ConnectionLost,
    InvalidRequest,
    RequestError,
    SynclineError,
    TokenExpired,
    TooLarge,
    Unauthorized,
    WebSocketBlocked,
)
from .snapshot import JsonObject
from .transport import EventHandler, Interrupted, Receive

__all__ = ["WebSocketTransport", "may_reconnect"]

T = TypeVar("T")

MESSAGE_LIMIT = 4 * 2**20
"""Bytes in a message of the server, at most: the largest document four times."""

CLOSE_TIMEOUT = 2
"""Seconds to wait for the server's part of a closing handshake."""

_FIRST_FINAL_CODE = 4500
_FINAL_CODES = {
    CloseCode.PROTOCOL_ERROR,
    CloseCode.UNSUPPORTED_DATA,
    CloseCode.INVALID_DATA,
    CloseCode.MESSAGE_TOO_BIG,
    CloseCode.MANDATORY_EXTENSION,
}


def may_reconnect(close_code: int) -> bool:
    """False for the close codes that are final (docs/protocol.md, section 8)."""
    return close_code < _FIRST_FINAL_CODE and close_code not in _FINAL_CODES


@dataclass(slots=True)
class _Pending:
    """A request without its reply."""

    receive: Receive[Any]
    result: asyncio.Future[Any]


class _Connect(connect):
    """A redirect is an error: the token goes to the host that the application named, or nowhere."""

    def process_redirect(self, exc: Exception) -> Exception:
        return exc


class WebSocketTransport:
    """A `Transport` over one WebSocket."""

    name = "websocket"
    ordered = True

    def __init__(self, socket: ClientConnection, on_event: EventHandler) -> None:
        self.ended: asyncio.Future[SynclineError] = asyncio.get_running_loop().create_future()
        self.data_limit: int | None = None
        self._message_limit: int | None = None
        self._socket = socket
        self._on_event = on_event
        self._ids = itertools.count(1)
        self._pending: dict[int, _Pending] = {}
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def open(
        cls,
        url: str,
        token: str,
        timeout: float,
        on_event: EventHandler,
        ssl: SSLContext | None = None,
        *,
        deltas: bool = False,
    ) -> WebSocketTransport:
        """Connect and authenticate, within `timeout` seconds.

        `ssl`: how the server's certificate is checked; None is as usual. `deltas`: ask for events
        that tell what has changed, where that is shorter than the data.

        Raises:
            WebSocketBlocked: something answers, but no Syncline WebSocket.
            ConnectionLost: nothing answers.
            Unauthorized: the token was refused.
        """
        try:
            async with asyncio.timeout(timeout):
                transport = cls(await _dial(url, ssl), on_event)
                await transport._authenticate_first(token, deltas)
        except TimeoutError as error:
            raise WebSocketBlocked(f"no WebSocket at {url} within {timeout:g} s") from error
        return transport

    async def request(self, request: JsonObject, receive: Receive[T]) -> T:
        if self.ended.done():
            raise Interrupted
        request_id = next(self._ids)
        # The id comes first, so that the server can answer what it cannot parse.
        message = self._encode({"id": request_id, **request})
        result: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._pending[request_id] = _Pending(receive, result)
        try:
            await self._socket.send(message, text=True)
            return await result
        except ConnectionClosed:
            # Until the reader has noticed too, this would be taken for a connection that stands.
            await asyncio.wait([self.ended])
            raise Interrupted from None
        finally:
            del self._pending[request_id]
            if result.done() and not result.cancelled():
                result.exception()  # seen: `send` may have failed before it was awaited

    async def authenticate(self, token: str) -> None:
        """Go on with another token."""
        await self.request({"do": "auth", "token": token}, self._authenticated)

    async def close(self) -> None:
        self._end(ClientClosed())
        await self._socket.close()
        await self._reader

    async def _authenticate_first(self, token: str, deltas: bool) -> None:
        request = {"do": "auth", "token": token, **({"deltas": True} if deltas else {})}
        try:
            await self.request(request, self._authenticated)
        except Interrupted:
            reason = await self.ended
            if isinstance(reason, ConnectionLost) and reason.code == CloseCode.ABNORMAL_CLOSURE:
                # Some proxies let the handshake pass and then cut the connection.
                raise WebSocketBlocked(reason.message, reason.code) from None
            raise reason from None
        except BaseException:
            await self.close()
            raise

    def _authenticated(self, ok: JsonObject) -> None:
        self.data_limit = ok.get("data_limit")
        self._message_limit = ok.get("message_limit")

    def _encode(self, message: JsonObject) -> bytes:
        """Refuse what would end the connection."""
        try:
            encoded = orjson.dumps(message)
        except TypeError as error:
            raise InvalidRequest.local(
                Code.INVALID_PARAMETER, f"The request cannot be written as JSON: {error}."
            ) from error
        if self._message_limit is not None and len(encoded) > self._message_limit:
            raise TooLarge.local(
                Code.TOO_LARGE,
                f"The request is {len(encoded)} bytes; at most {self._message_limit} are allowed.",
            )
        return encoded

    async def _read(self) -> None:
        try:
            while True:
                self._receive(orjson.loads(await self._socket.recv(decode=False)))
        except ConnectionClosed as closed:
            self._end(_reason(closed))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            self._end(
                ConnectionLost(f"the server does not speak {SUBPROTOCOL}: {error!r}", retry=False)
            )
            await self._socket.close(CloseCode.PROTOCOL_ERROR)

    def _receive(self, message: JsonObject) -> None:
        if "id" not in message:
            if not self.ended.done():
                self._on_event(message)
            return
        pending = self._pending.get(message["id"])
        if pending is None or pending.result.done():
            return
        if "error" in message:
            pending.result.set_exception(RequestError.parse(message["error"]))
        else:
            pending.result.set_result(pending.receive(message["ok"]))

    def _end(self, reason: SynclineError) -> None:
        if not self.ended.done():
            self.ended.set_result(reason)
        for pending in self._pending.values():
            if not pending.result.done():
                pending.result.set_exception(Interrupted())


async def _dial(url: str, ssl: SSLContext | None) -> ClientConnection:
    # What is given for a plain connection is refused.
    tls: dict[str, Any] = {"ssl": ssl} if ssl is not None and url.startswith("wss:") else {}
    try:
        socket = await _Connect(
            url,
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            open_timeout=None,
            close_timeout=CLOSE_TIMEOUT,
            max_size=MESSAGE_LIMIT,
            **tls,
        )
    except InvalidStatus as error:
        if "Retry-After" in error.response.headers:
            raise ConnectionLost(f"{url} lets nobody in now: {error}") from error
        raise WebSocketBlocked(f"no WebSocket at {url}: {error}") from error
    except InvalidHandshake as error:
        raise WebSocketBlocked(f"no WebSocket at {url}: {error}") from error
    except OSError as error:
        raise ConnectionLost(f"{url} cannot be reached: {error}") from error
    if socket.subprotocol != SUBPROTOCOL:
        await socket.close()
        raise WebSocketBlocked(f"the WebSocket at {url} does not speak {SUBPROTOCOL}")
    return socket


def _reason(closed: ConnectionClosed) -> SynclineError:
    frame = closed.rcvd or closed.sent
    if frame is None:
        return ConnectionLost("the connection broke", CloseCode.ABNORMAL_CLOSURE)
    if frame.code == Close.TOKEN_EXPIRED:
        return TokenExpired.local(Code.TOKEN_EXPIRED, "the token has expired")
    if frame.code == Close.TOKEN_REFUSED:
        return Unauthorized.local(Code.TOKEN_INVALID, frame.reason or "the token was refused")
    message = f"the server ended the connection: {frame.reason or 'no reason given'}"
    return ConnectionLost(message, frame.code, retry=may_reconnect(frame.code))
