"""The native protocol over a WebSocket (docs/protocol.md)."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import Any

from syncline_protocol import native
from syncline_protocol.commands import Command, Patch, Remove
from syncline_protocol.document import Document, Event
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.native import Authenticate, Close, Ping, ProtocolViolation
from syncline_server.auth import Principal
from syncline_server.backend import Backend, Workspace
from syncline_server.session import Fetched, Opened, Result, Session, Unsubscribed
from syncline_server.storage.documents import Written
from syncline_server.storage.services import DEFAULT_NAME

from .departures import Departures
from .lifetime import TokenLife
from .transport import Endpoint, Socket, text_frame

__all__ = ["PATH", "endpoint"]

PATH = "/v1/ws"

FAREWELL_TIMEOUT = 2.0
"""Seconds that a farewell waits for the requests under way."""


def endpoint(backend: Backend, departures: Departures) -> Endpoint:
    """The native protocol for `socket_protocol`."""
    return Endpoint(lambda socket: _Native(backend, departures, socket), native.SUBPROTOCOL)


class _Native:
    """One client: its requests to the session, its replies and events to the socket."""

    def __init__(self, backend: Backend, departures: Departures, socket: Socket) -> None:
        self._backend = backend
        self._settings = backend.settings
        self._departures = departures
        self._socket = socket
        self._session: Session | None = None
        self._identity = ""
        self._in_flight = 0
        # The farewell that waits for the requests under way.
        self._farewell: tuple[int, str] | None = None
        wheel = socket.wheel
        self._life = TokenLife(wheel, self._settings.token_leeway, self._warn, self._expire)
        self._deadline = wheel.call_later(self._settings.auth_timeout, self._give_up)
        self._authenticating: asyncio.Task[None] | None = None
        departures.arrive(self)

    def on_message(self, message: str | bytes) -> None:
        """Take a request."""
        try:
            if isinstance(message, bytes):
                raise ProtocolViolation("a message must be a text frame")
            request = native.decode(message, self._settings.data_limit)
            if isinstance(request.command, Authenticate):
                self._begin_authentication(request.id, request.command)
            elif self._session is None:
                raise ProtocolViolation("the first request must be auth")
            else:
                self._take(self._session, request.id, request.command)
        except ProtocolViolation as violation:
            self._socket.close(Close.PROTOCOL_VIOLATION, str(violation))

    def on_slow(self) -> None:
        """Give the client up."""
        self._socket.close(Close.TOO_SLOW, "the client does not read")

    def on_end(self) -> None:
        """Nothing of the client stays."""
        self._deadline.cancel()
        self._life.end()
        if self._authenticating is not None:
            self._authenticating.cancel()
        if self._session is not None:
            self._session.close()
        self._departures.depart(self)

    def go_away(self) -> None:
        """Send the client to another server, or to this one once it runs again."""
        self._leave(Close.GOING_AWAY, "the server is shutting down")

    def _take(self, session: Session, request_id: int, command: Command | Ping | Refusal) -> None:
        if isinstance(command, Refusal):
            self._reply(native.encode_error(request_id, command))
        elif isinstance(command, Ping):
            self._reply(native.encode_ok(request_id, {}))
        else:
            self._in_flight += 1
            if self._in_flight == self._settings.max_in_flight:
                self._socket.pause_reading()
            session.submit(command, partial(self._answer, request_id, command))

    def _answer(self, request_id: int, command: Command, outcome: Result | Refusal) -> None:
        if isinstance(outcome, Refusal):
            self._reply(native.encode_error(request_id, outcome))
        else:
            self._reply(native.encode_ok(request_id, _body(command, outcome)))
        self._in_flight -= 1
        if self._farewell is not None:
            if not self._in_flight:
                self._close()
        elif self._in_flight == self._settings.max_in_flight - 1:
            self._socket.resume_reading()

    def _begin_authentication(self, request_id: int, request: Authenticate) -> None:
        self._socket.pause_reading()
        self._authenticating = asyncio.create_task(self._authenticate(request_id, request))

    async def _authenticate(self, request_id: int, request: Authenticate) -> None:
        try:
            principal = self._backend.authenticator.token(request.token)
            service = principal.service or DEFAULT_NAME
            workspace = await self._backend.workspace(principal, service)
            if self._session is not None:
                self._check_same(self._session, principal, workspace)
        except Refusal as refusal:
            self._reply(native.encode_error(request_id, refusal))
            if self._session is None and not refusal.code.retry:
                expired = refusal.code is Code.TOKEN_EXPIRED
                code = Close.TOKEN_EXPIRED if expired else Close.TOKEN_REFUSED
                self._socket.close(code, refusal.message)
        else:
            self._welcome(request_id, principal, workspace)
        if self._farewell is None:
            self._socket.resume_reading()

    def _check_same(self, session: Session, principal: Principal, workspace: Workspace) -> None:
        held = (self._identity, session.workspace.service_sid)
        if (principal.identity, workspace.service_sid) != held:
            raise Refusal(
                Code.TOKEN_OF_ANOTHER, "The new token was issued for another identity or service."
            )

    def _welcome(self, request_id: int, principal: Principal, workspace: Workspace) -> None:
        if self._session is None:
            self._deadline.cancel()
            self._identity = principal.identity
            self._session = Session(self._backend, workspace, self._send_event)
        self._life.begin(principal.expires_at)
        body = {
            "identity": principal.identity,
            "service_sid": workspace.service_sid,
            "expires_in": max(0, round((principal.expires_at or 0) - time.time())),
            "data_limit": self._settings.data_limit,
        }
        self._reply(native.encode_ok(request_id, body))

    def _reply(self, payload: bytes) -> None:
        self._socket.send(text_frame(payload))

    def _send_event(self, event: Event) -> None:
        self._socket.send_event(event, event.encoded(_encode_event))

    def _warn(self, seconds: int) -> None:
        self._reply(native.encode_notice("token_about_to_expire", expires_in=seconds))

    def _expire(self) -> None:
        self._leave(Close.TOKEN_EXPIRED, "the token has expired")

    def _give_up(self) -> None:
        seconds = self._settings.auth_timeout
        self._socket.close(Close.NOT_AUTHENTICATED_IN_TIME, f"no auth within {seconds:g} s")

    def _leave(self, code: int, reason: str) -> None:
        """Close once the requests under way are answered."""
        if self._farewell is None:
            self._farewell = (code, reason)
            self._socket.pause_reading()
            if self._in_flight:
                self._socket.wheel.call_later(FAREWELL_TIMEOUT, self._close)
            else:
                self._close()

    def _close(self) -> None:
        if self._farewell is not None:
            self._socket.close(*self._farewell)


def _encode_event(event: Event) -> bytes:
    return text_frame(native.encode_event(event))


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
