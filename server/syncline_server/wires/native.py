"""The native protocol over a WebSocket (docs/protocol.md)."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from functools import partial
from typing import Any

from starlette.responses import PlainTextResponse
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from syncline_protocol import native
from syncline_protocol.commands import Command, Patch, Remove
from syncline_protocol.document import Document, Event
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.native import Authenticate, Close, Ping, ProtocolViolation, Request
from syncline_server.auth import Principal
from syncline_server.backend import Backend, Workspace
from syncline_server.session import Fetched, Opened, Result, Session, Unsubscribed
from syncline_server.storage.documents import Written

from .departures import Departures
from .lifetime import TokenLife
from .outbox import Outbox

__all__ = ["routes"]

PATH = "/v1/ws"

REASON_LIMIT = 123
"""Bytes of a close reason, at most (RFC 6455, 5.5)."""

CLOSE_TIMEOUT = 2.0
"""Seconds for the requests under way, and again for the last frames; then the socket is cut."""


def routes(backend: Backend, departures: Departures) -> list[WebSocketRoute]:
    """The socket's path."""

    async def endpoint(websocket: WebSocket) -> None:
        offered = websocket.scope["subprotocols"]
        if offered and native.SUBPROTOCOL not in offered:
            message = f"The sub-protocol here is {native.SUBPROTOCOL}.\n"
            await websocket.send_denial_response(PlainTextResponse(message, 400))
            return
        await websocket.accept(subprotocol=native.SUBPROTOCOL if offered else None)
        await _Connection(backend, departures, websocket).run()

    return [WebSocketRoute(PATH, endpoint)]


class _Connection:
    """One socket: reads requests, hands them to the session, writes what the outbox holds."""

    def __init__(self, backend: Backend, departures: Departures, websocket: WebSocket) -> None:
        self._backend = backend
        self._settings = backend.settings
        self._departures = departures
        self._websocket = websocket
        self._outbox = Outbox(self._settings.output_mark)
        self._life = TokenLife(self._settings.token_leeway, self._warn, self._expire)
        self._session: Session | None = None
        self._identity = ""
        self._in_flight = 0
        self._answered = asyncio.Event()
        # Its result is the close code and the reason.
        self._ended: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        """Serve the socket until it ends."""
        reader, writer = asyncio.create_task(self._read()), asyncio.create_task(self._write())
        self._departures.arrive(self)
        try:
            ends: set[asyncio.Future[Any]] = {reader, writer, self._ended}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            reader.cancel()
            if self._ended.done():
                await self._settle()
        finally:
            self._life.end()
            if self._session is not None:
                self._session.close()
            reader.cancel()
            writer.cancel()
            await asyncio.gather(reader, writer, return_exceptions=True)
            if self._ended.done():
                await self._close(*self._ended.result())
            self._departures.depart(self)

    def go_away(self) -> None:
        """Send the client to another server, or to this one once it runs again."""
        self._end(Close.GOING_AWAY, "the server is shutting down")

    async def _read(self) -> None:
        try:
            async with asyncio.timeout(self._settings.auth_timeout):
                session = await self._begin_session()
            while True:
                await self._take(session, await self._receive())
        except TimeoutError:
            seconds = self._settings.auth_timeout
            self._end(Close.NOT_AUTHENTICATED_IN_TIME, f"no auth within {seconds:g} s")
        except ProtocolViolation as violation:
            self._end(Close.PROTOCOL_VIOLATION, str(violation))
        except WebSocketDisconnect:
            pass

    async def _write(self) -> None:
        while True:
            frame = await self._outbox.get()
            try:
                async with asyncio.timeout(self._settings.slow_reader_timeout):
                    await self._websocket.send_text(frame.decode())
            except TimeoutError:
                return self._end(Close.TOO_SLOW, "the client does not read")
            except WebSocketDisconnect:
                return

    async def _receive(self) -> Request:
        await self._outbox.room()
        message = await self._websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1006))
        text = message.get("text")
        if text is None:
            raise ProtocolViolation("a message must be a text frame")
        return native.decode(text, self._settings.data_limit)

    async def _begin_session(self) -> Session:
        while True:
            request = await self._receive()
            if not isinstance(request.command, Authenticate):
                raise ProtocolViolation("the first request must be auth")
            try:
                principal, workspace = await self._authenticate(request.command)
            except Refusal as refusal:
                self._reply(native.encode_error(request.id, refusal))
                if not refusal.code.retry:
                    expired = refusal.code is Code.TOKEN_EXPIRED
                    code = Close.TOKEN_EXPIRED if expired else Close.TOKEN_REFUSED
                    self._end(code, refusal.message)
                continue
            self._identity = principal.identity
            self._session = Session(self._backend, workspace, self._send_event)
            self._welcome(request.id, principal, workspace)
            return self._session

    async def _take(self, session: Session, request: Request) -> None:
        match request.command:
            case Refusal() as refusal:
                self._reply(native.encode_error(request.id, refusal))
            case Ping():
                self._reply(native.encode_ok(request.id, {}))
            case Authenticate() as authenticate:
                await self._renew(session, request.id, authenticate)
            case command:
                self._in_flight += 1
                session.submit(command, partial(self._answer, request.id, command))
                while self._in_flight >= self._settings.max_in_flight:
                    self._answered.clear()
                    await self._answered.wait()

    async def _renew(self, session: Session, request_id: int, request: Authenticate) -> None:
        try:
            principal, workspace = await self._authenticate(request)
            if (principal.identity, workspace.service_sid) != (
                self._identity,
                session.workspace.service_sid,
            ):
                raise Refusal(
                    Code.TOKEN_OF_ANOTHER,
                    "The new token was issued for another identity or service.",
                )
        except Refusal as refusal:
            self._reply(native.encode_error(request_id, refusal))
        else:
            self._welcome(request_id, principal, workspace)

    async def _authenticate(self, request: Authenticate) -> tuple[Principal, Workspace]:
        principal = self._backend.authenticator.token(request.token)
        return principal, await self._backend.workspace(principal, principal.service or "default")

    def _welcome(self, request_id: int, principal: Principal, workspace: Workspace) -> None:
        expires_at = principal.expires_at or 0
        body = {
            "identity": principal.identity,
            "service_sid": workspace.service_sid,
            "expires_in": max(0, round(expires_at - time.time())),
            "data_limit": self._settings.data_limit,
        }
        self._reply(native.encode_ok(request_id, body))
        self._life.begin(principal.expires_at)

    def _answer(self, request_id: int, command: Command, outcome: Result | Refusal) -> None:
        self._in_flight -= 1
        self._answered.set()
        if isinstance(outcome, Refusal):
            self._reply(native.encode_error(request_id, outcome))
        else:
            self._reply(native.encode_ok(request_id, _body(command, outcome)))

    def _reply(self, frame: bytes) -> None:
        self._outbox.put(frame)

    def _send_event(self, event: Event) -> None:
        self._outbox.put_event(event, event.encoded(native.encode_event))

    def _warn(self, seconds: int) -> None:
        self._outbox.put(native.encode_notice("token_about_to_expire", expires_in=seconds))

    def _expire(self) -> None:
        self._end(Close.TOKEN_EXPIRED, "the token has expired")

    def _end(self, code: int, reason: str) -> None:
        if not self._ended.done():
            self._ended.set_result((code, reason))

    async def _settle(self) -> None:
        """Let the requests under way be answered."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT):
                while self._in_flight:
                    self._answered.clear()
                    await self._answered.wait()

    async def _close(self, code: int, reason: str) -> None:
        """Send what waits, then close; a client that does not read gets neither."""
        short = reason.encode()[:REASON_LIMIT].decode(errors="ignore")
        with suppress(TimeoutError, WebSocketDisconnect, RuntimeError):
            async with asyncio.timeout(CLOSE_TIMEOUT):
                for frame in self._outbox.drain():
                    await self._websocket.send_text(frame.decode())
                await self._websocket.close(code, short)


def _body(command: Command, result: Result) -> dict[str, Any]:
    """The `ok` of a reply (section 3)."""
    match result:
        case Opened(document, created, known):
            return {
                "created": created,
                "document": native.document_body(document, data=not known),
            }
        case Fetched(document):
            return {"document": native.document_body(document)}
        case Written(document, repeated):
            return _write_body(command, document) | ({"repeated": True} if repeated else {})
        case Unsubscribed():
            return {}


def _write_body(command: Command, document: Document) -> dict[str, Any]:
    body = native.document_body(document, data=isinstance(command, Patch) and document.data != b"")
    if isinstance(command, Remove):
        body = {name: body[name] for name in ("sid", "unique_name", "revision")}
    return {"document": body}
