"""Transport that speaks the native protocol over one WebSocket (docs/protocol.md)."""

from __future__ import annotations

import asyncio
import itertools
import logging
from dataclasses import dataclass
from http import HTTPStatus
from ssl import SSLContext
from typing import Any, TypeVar

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidStatus,
    ProxyError,
    WebSocketException,
)
from websockets.frames import CloseCode
from websockets.typing import Subprotocol

from syncline_protocol.errors import Code
from syncline_protocol.native import SUBPROTOCOL

from .close_codes import error_for_close, is_own
from .errors import (
    ClientClosed,
    ConnectionLost,
    InvalidRequest,
    RequestError,
    SynclineError,
    TooLarge,
    WebSocketBlocked,
)
from .header import JsonObject
from .proxies import Proxy
from .refusals import retry_after
from .transport import EventHandler, Interrupted, Limits, Receive

__all__ = ["Probing", "WebSocketTransport"]

logger = logging.getLogger("syncline")

T = TypeVar("T")

MESSAGE_LIMIT = 4 * 2**20
"""Maximum size in bytes of a message from the server: four times the largest document."""

CLOSE_TIMEOUT = 2
"""Seconds to wait for the server's close frame."""

_COME_BACK = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


@dataclass(frozen=True, slots=True)
class Probing:
    """Timing of the check for half-open connections (rule C19), in seconds.

    Attributes:
        after: time without a reply, and without any other byte from the server, before a ping.
        timeout: time to wait for any byte after the ping; then the connection is dropped.
    """

    after: float = 4
    timeout: float = 3


@dataclass(slots=True)
class _Pending:
    """A request without its reply.

    Attributes:
        receive: called with the `ok` of the reply.
        late: called instead of `receive` if the caller was cancelled.
        result: resolved with what `receive` returns; cancelled if the caller was.
        since: event-loop time at which the request was made.
    """

    receive: Receive[Any]
    late: Receive[None] | None
    result: asyncio.Future[Any]
    since: float


class _Connect(connect):
    """Treats a redirect as an error, so that the token is sent only to the application's host."""

    def process_redirect(self, exc: Exception) -> Exception:
        return exc


_PROBING = Probing()


class _Socket(ClientConnection):
    """A connection that records when the last byte was received, a frame in progress included."""

    received_at: float = 0.0

    def data_received(self, data: bytes) -> None:
        self.received_at = self.loop.time()
        super().data_received(data)


class WebSocketTransport:
    """A `Transport` over one WebSocket."""

    name = "websocket"
    waits_for: str | None = None

    def __init__(
        self, socket: ClientConnection, on_event: EventHandler, probing: Probing = _PROBING
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[SynclineError] = self._loop.create_future()
        self.limits = Limits()
        self._message_limit: int | None = None
        self._socket = socket
        self._on_event = on_event
        self._ids = itertools.count(1)
        self._pending: dict[int, _Pending] = {}  # oldest first
        self._probing = probing
        self._watch: asyncio.TimerHandle | None = None
        self._probe_task: asyncio.Task[None] | None = None
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def open(
        cls,
        url: str,
        token: str,
        timeout: float,
        on_event: EventHandler,
        *,
        ssl: SSLContext | None = None,
        deltas: bool = False,
        probing: Probing = _PROBING,
        proxy: Proxy | None = None,
    ) -> WebSocketTransport:
        """Connect and authenticate, within `timeout` seconds.

        Args:
            ssl: TLS settings; None uses the default checks.
            deltas: ask for events that carry only the changes, where that is shorter than the data.
            proxy: proxy to connect through; None uses no proxy, not even one of the environment.

        Raises:
            WebSocketBlocked: something answers, but it is no Syncline WebSocket.
            ConnectionLost: nothing answers.
            Unauthorized: the server refused the token.
        """
        try:
            async with asyncio.timeout(timeout):
                transport = cls(await _dial(url, ssl, proxy), on_event, probing)
                await transport._authenticate_first(token, deltas)
        except TimeoutError as error:
            raise WebSocketBlocked(f"no WebSocket at {url} within {timeout:g} s") from error
        return transport

    async def request(
        self, request: JsonObject, receive: Receive[T], late: Receive[None] | None = None
    ) -> T:
        if self.ended.done():
            raise Interrupted
        request_id = next(self._ids)
        # The id comes first, so that the server can reply even to a message it cannot parse.
        message = self._encode({"id": request_id, **request})
        result: asyncio.Future[T] = self._loop.create_future()
        self._pending[request_id] = _Pending(receive, late, result, self._loop.time())
        self._watch_replies()
        try:
            await self._socket.send(message, text=True)
            return await result
        except ConnectionClosed:
            # `send` may notice the break before `_read` does. Until `ended` is set, `Connection`
            # would take this transport for an open one and send the request on it again.
            await asyncio.wait([self.ended])
            raise Interrupted from None
        finally:
            if late is not None and (result.cancelled() or not result.done()):
                # The caller was cancelled, but the server may still execute the request: keep the
                # entry, so that `late` gets the reply. It is gone if the reply came before this.
                result.cancel()
            else:
                self._pending.pop(request_id, None)
            if result.done() and not result.cancelled():
                # If `send` failed, `result` was never awaited: mark its exception as retrieved.
                result.exception()

    async def authenticate(self, token: str) -> None:
        """Replace the token of this connection."""
        await self.request({"do": "auth", "token": token}, self._authenticated)

    async def close(self) -> None:
        self._end(ClientClosed())
        await self._socket.close()
        await self._reader
        if self._probe_task is not None:
            await asyncio.wait({self._probe_task})

    async def _authenticate_first(self, token: str, deltas: bool) -> None:
        request = {"do": "auth", "token": token, **({"deltas": True} if deltas else {})}
        try:
            await self.request(request, self._authenticated)
        except Interrupted:
            reason = await self.ended
            if isinstance(reason, ConnectionLost) and not is_own(reason.code):
                # Not by the server: some proxies pass the handshake and then cut the connection.
                raise WebSocketBlocked(reason.message, reason.code) from None
            raise reason from None
        except BaseException:
            # Cancelled by the timeout, or refused: abort, without waiting for a close handshake.
            self._end(ClientClosed())
            self._socket.transport.abort()
            await self.close()
            raise

    def _authenticated(self, ok: JsonObject) -> None:
        self.limits = Limits(
            data=ok.get("data_limit"),
            item=ok.get("item_limit"),
            message=ok.get("stream_message_limit"),
        )
        self._message_limit = ok.get("message_limit")

    def _encode(self, message: JsonObject) -> bytes:
        """Encode a request; raise if it is not JSON, or too large for the server."""
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
        except Exception as error:
            # Something between us and the server has changed the message: end, and reconnect.
            logger.warning("a message that is not %s: %r", SUBPROTOCOL, error)
            self._end(ConnectionLost(f"a message came that is not {SUBPROTOCOL}: {error!r}"))
            await self._socket.close(CloseCode.PROTOCOL_ERROR)

    def _receive(self, message: JsonObject) -> None:
        if "id" not in message:
            if not self.ended.done():
                self._on_event(message)
            return
        pending = self._pending.get(message["id"])
        if pending is None:
            return
        # The caller was cancelled, perhaps in this turn of the loop: only `late` wants the reply.
        if pending.result.cancelled():
            del self._pending[message["id"]]
            if pending.late is not None and "ok" in message:
                pending.late(message["ok"])
        # Interrupted by `_end`: the request is sent again on the next connection.
        elif pending.result.done():
            pass
        elif "error" in message:
            pending.result.set_exception(RequestError.parse(message["error"]))
        else:
            # `receive` runs here, before the next message is read, and not when the caller's task
            # wakes up: a write is registered before its event comes (promise 4).
            result = pending.receive(message["ok"])
            if pending.result.cancelled():
                # `receive` has ended the task that waits, as a reset ends the walk of a replica.
                self._pending.pop(message["id"], None)
            else:
                pending.result.set_result(result)

    def _watch_replies(self) -> None:
        """Start the timer that checks whether the oldest request is overdue."""
        if self._watch is None and self._probe_task is None:
            self._watch = self._loop.call_at(self._silent_since() + self._probing.after, self._look)

    def _silent_since(self) -> float:
        oldest = next(iter(self._pending.values()))
        return max(oldest.since, self._received_at)

    @property
    def _received_at(self) -> float:
        return self._socket.received_at if isinstance(self._socket, _Socket) else 0.0

    def _look(self) -> None:
        self._watch = None
        if not self._pending or self.ended.done():
            return
        since = self._silent_since()
        if self._loop.time() < since + self._probing.after:
            return self._watch_replies()
        self._probe_task = asyncio.create_task(self._probe(since))
        self._probe_task.add_done_callback(self._probed)

    def _probed(self, probe: asyncio.Task[None]) -> None:
        self._probe_task = None
        if self._pending and not self.ended.done():
            self._watch_replies()

    async def _probe(self, silent_since: float) -> None:
        """Ping; drop the connection if no byte at all comes within `timeout`."""
        asked_at = self._loop.time()
        try:
            async with asyncio.timeout(self._probing.timeout):
                # Sending the ping can block too, behind data that has not left the buffer.
                await (await self._socket.ping())
        except TimeoutError:
            # Any byte counts as a sign of life: the pong may be queued behind a large message.
            if self._received_at < asked_at:
                self._give_up(self._loop.time() - silent_since)
        except ConnectionClosed:
            pass  # `_read` sets the reason

    def _give_up(self, silence: float) -> None:
        reason = ConnectionLost(
            f"the connection gave no sign of life for {silence:.1f} s", CloseCode.ABNORMAL_CLOSURE
        )
        reason.at_once = True
        self._end(reason)
        # No close handshake: the server's close frame cannot arrive on a dead connection.
        self._socket.transport.abort()

    def _end(self, reason: SynclineError) -> None:
        if not self.ended.done():
            self.ended.set_result(reason)
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        for pending in self._pending.values():
            if not pending.result.done():
                pending.result.set_exception(Interrupted())


async def _dial(url: str, ssl: SSLContext | None, proxy: Proxy | None) -> ClientConnection:
    # `connect` raises ValueError if `ssl` is given for a `ws:` URL.
    tls: dict[str, Any] = {"ssl": ssl} if ssl is not None and url.startswith("wss:") else {}
    way = url if proxy is None else f"{url} through the proxy {proxy}"
    try:
        socket = await _Connect(
            url,
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            open_timeout=None,
            close_timeout=CLOSE_TIMEOUT,
            max_size=MESSAGE_LIMIT,
            proxy=None if proxy is None else proxy.url,
            create_connection=_Socket,
            **tls,
        )
    except InvalidStatus as error:
        raise _refused(way, error) from error
    except (InvalidHandshake, ProxyError) as error:
        raise WebSocketBlocked(f"no WebSocket at {way}: {error}") from error
    except (OSError, ValueError, EOFError, WebSocketException) as error:
        # ValueError: the host name is invalid.
        raise ConnectionLost(f"{way} cannot be reached: {error or repr(error)}") from error
    except Exception as error:
        if proxy is None:
            raise
        # The SOCKS package raises exceptions of its own classes.
        raise WebSocketBlocked(f"no WebSocket at {way}: {error or repr(error)}") from error
    if socket.subprotocol != SUBPROTOCOL:
        socket.transport.abort()
        raise WebSocketBlocked(f"the WebSocket at {way} does not speak {SUBPROTOCOL}")
    return socket


def _refused(way: str, error: InvalidStatus) -> ConnectionLost:
    response = error.response
    asked = retry_after(response.headers)
    if asked is not None and response.status_code in _COME_BACK:
        # Syncline is full or limits the rate of connections: WebSockets are not blocked.
        return ConnectionLost(
            f"{way} lets nobody in now: HTTP {response.status_code}", retry_after=asked
        )
    return WebSocketBlocked(f"no WebSocket at {way}: HTTP {response.status_code}, not Syncline")


def _reason(closed: ConnectionClosed) -> SynclineError:
    frame = closed.rcvd or closed.sent
    return error_for_close(None, "") if frame is None else error_for_close(frame.code, frame.reason)
