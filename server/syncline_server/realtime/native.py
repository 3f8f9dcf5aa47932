"""The native protocol over a WebSocket (docs/protocol.md)."""

from __future__ import annotations

import asyncio
import logging
import time
from functools import partial
from typing import Any, NamedTuple

from websockets.frames import CloseCode

from syncline_protocol import native
from syncline_protocol.commands import Command, Remove
from syncline_protocol.documents import Document, Patch, Updated
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.native import Authenticate, Close, Ping, ProtocolViolation
from syncline_protocol.objects import Event
from syncline_server.auth.authenticator import Principal, revoked
from syncline_server.backend import Backend
from syncline_server.objects.work import SMALL_MESSAGE
from syncline_server.observability.logs import about
from syncline_server.observability.metrics import Load
from syncline_server.pubsub.topic import Format
from syncline_server.storage.results import Written

from .client import Client
from .connections import ConnectionRegistry
from .in_flight import InFlight
from .large_messages import LargeMessages
from .results import Fetched, Opened, Result, Unsubscribed, oversized
from .session import Session
from .websocket.endpoint import WebSocketRoute
from .websocket.frames import deflating, text_frame
from .websocket.oversized_message import OversizedMessage
from .websocket.socket import Socket

__all__ = ["PATH", "endpoint"]

logger = logging.getLogger("syncline.native")

PATH = "/v1/ws"


def endpoint(backend: Backend, connections: ConnectionRegistry) -> WebSocketRoute:
    """The route of the native protocol, for `socket_protocol`."""
    tally = backend.meters.wires["native"]
    whole, brief = _encode_event, _encode_delta
    forms = _Forms(
        (Format(whole, None, tally), Format(deflating(whole), None, tally)),
        (Format(whole, brief, tally), Format(deflating(whole), deflating(brief), tally)),
    )
    return WebSocketRoute(
        lambda socket: _Native(backend, connections, forms, socket),
        native.SUBPROTOCOL,
        tally=tally,
    )


class _Forms(NamedTuple):
    """The formats of events: `whole` for clients that take no deltas, `brief` for those that do.

    Of each pair, the second is for clients that take compressed frames.
    """

    whole: tuple[Format, Format]
    brief: tuple[Format, Format]


class _Native:
    """One client: passes its requests to the session, and replies and events to the socket."""

    __slots__ = (
        "_authenticating",
        "_backlog",
        "_caller",
        "_connections",
        "_form",
        "_forms",
        "_large_messages",
        "_settings",
        "_socket",
        "_tally",
    )

    def __init__(
        self, backend: Backend, connections: ConnectionRegistry, forms: _Forms, socket: Socket
    ) -> None:
        self._settings = backend.settings
        self._connections = connections
        self._forms = forms
        self._form = forms.whole[socket.deflates]
        self._socket = socket
        self._tally = socket.endpoint.tally
        self._backlog = InFlight(socket)
        self._caller = Client(
            backend,
            socket,
            "native",
            on_event=self._send_event,
            on_late=self._give_up,
            on_notice=self._warn,
            on_expiry=self._expire,
        )
        self._authenticating: asyncio.Task[None] | None = None
        self._large_messages: LargeMessages | None = None
        connections.arrive(self)

    def on_message(self, message: str | bytes) -> None:
        """Carry out a request, later if it is large and the event loop is busy."""
        if len(message) <= SMALL_MESSAGE or not self._is_deferred(message):
            self._take_message(message)

    def _is_deferred(self, message: str | bytes) -> bool:
        if self._large_messages is None:
            # Only now: there are very many connections, and most never send a large message.
            self._large_messages = LargeMessages(
                self._socket,
                self._backlog,
                self._take_message,
                lambda: self._authenticating is None,
            )
        return self._large_messages.defer(message, self._caller.session)

    def _take_message(self, message: str | bytes) -> None:
        try:
            if isinstance(message, bytes):
                raise ProtocolViolation("a message must be a text frame")
            request = native.decode(message, self._settings.data_limit)
            self._tally.requests += 1
            if isinstance(request.command, Authenticate):
                self._begin_authentication(request.id, request.command)
            elif self._caller.session is None:
                raise ProtocolViolation("the first request must be auth")
            else:
                self._take(self._caller.session, request.id, request.command)
        except ProtocolViolation as violation:
            self._socket.close(Close.PROTOCOL_VIOLATION, str(violation))

    def on_oversized(self, message: OversizedMessage) -> None:
        """Refuse the request that the message begins with; close if its id cannot be read."""
        request_id = native.leading_id(message.head) if message.is_text else None
        if request_id is None or self._caller.session is None:
            return self._socket.close(CloseCode.MESSAGE_TOO_BIG, "the message is too large")
        self._tally.requests += 1
        refusal = oversized(message.size, self._settings.socket_message_limit)
        self._caller.note(refusal, None)
        self._refuse(request_id, refusal)

    def on_congestion(self) -> None:
        """Take the session off the fast path: the socket conflates events from here on."""
        self._caller.stop_flow()

    def on_relief(self) -> None:
        """Put the session on the fast path, once the client has authenticated."""
        self._caller.flow(self._form)

    def on_slow(self) -> None:
        """Close the connection of a client that does not read."""
        self._socket.close(Close.TOO_SLOW, "the client does not read")

    def on_end(self) -> None:
        """End the session and all tasks of the client."""
        if self._authenticating is not None:
            self._authenticating.cancel()
        if self._large_messages is not None:
            self._large_messages.cancel()
        self._caller.end()
        self._connections.depart(self)

    @property
    def key(self) -> str | None:
        """As in `LiveConnection`."""
        return self._caller.key

    def evict(self) -> None:
        """Close with `TOKEN_REFUSED`: the key of the token in force was revoked."""
        # First end the session: `close` still sends what is queued, but nothing newer (promise 6).
        self._caller.silence()
        self._socket.close(Close.TOKEN_REFUSED, revoked(login=False).message)

    def drain(self) -> None:
        """Close with `GOING_AWAY` after the replies under way; the client then reconnects."""
        self._leave(Close.GOING_AWAY, "the server is shutting down")

    def load(self) -> Load:
        """The client's current use of resources."""
        return Load("native", self._caller.subscriptions, self._backlog.count, self._socket.waiting)

    def _take(self, session: Session, request_id: int, command: Command | Ping | Refusal) -> None:
        if isinstance(command, Refusal):
            self._caller.note(command, None)
            self._refuse(request_id, command)
        elif isinstance(command, Ping):
            self._reply(native.encode_ok(request_id, {}))
        else:
            self._backlog.begin()
            session.submit(command, partial(self._answer, request_id, command))

    def _answer(self, request_id: int, command: Command, outcome: Result | Refusal) -> None:
        if isinstance(outcome, Refusal):
            self._caller.note(outcome, command)
            self._refuse(request_id, outcome)
        else:
            self._reply(native.encode_ok(request_id, _body(command, outcome)))
        self._backlog.end()

    def _begin_authentication(self, request_id: int, request: Authenticate) -> None:
        # No request is read until the token is accepted: it would run under the old rights.
        self._socket.pause_reading()
        self._authenticating = asyncio.create_task(self._authenticate(request_id, request))

    async def _authenticate(self, request_id: int, request: Authenticate) -> None:
        about(wire="native", peer=self._socket.peer)
        is_first = self._caller.session is None
        try:
            principal, session = await self._caller.present(request.token)
        except Refusal as refusal:
            self._refuse(request_id, refusal)
            if is_first and not refusal.code.retry:
                expired = refusal.code is Code.TOKEN_EXPIRED
                code = Close.TOKEN_EXPIRED if expired else Close.TOKEN_REFUSED
                self._socket.close(code, refusal.message)
        except Exception:
            logger.exception("an authentication failed")
            self._socket.close(CloseCode.INTERNAL_ERROR, "the server failed")
        else:
            self._socket.trust()
            # Choose the format first: `on_relief` joins the fast path with it.
            if is_first and request.deltas:
                session.take_deltas(self._send_brief)
                self._form = self._forms.brief[self._socket.deflates]
            self.on_relief()
            self._welcome(request_id, principal, session)
        self._authenticating = None
        # `_leave` may have been called during the await.
        if not self._backlog.leaving:
            self._socket.resume_reading()

    def _welcome(self, request_id: int, principal: Principal, session: Session) -> None:
        body = {
            "identity": principal.identity,
            "service_sid": session.access.service_sid,
            "expires_in": max(0, round((principal.expires_at or 0) - time.time())),
            "data_limit": self._settings.data_limit,
            "message_limit": self._settings.socket_message_limit,
        }
        self._reply(native.encode_ok(request_id, body))

    def _refuse(self, request_id: int, refusal: Refusal) -> None:
        self._tally.refused[refusal.code] += 1
        self._reply(native.encode_error(request_id, refusal))

    def _reply(self, payload: bytes) -> None:
        self._socket.send(text_frame(payload))

    def _send_event(self, event: Event) -> None:
        self._socket.send_event(event, event.encoded(self._form.encode))

    def _send_brief(self, event: Event, is_known: bool) -> None:
        brief = _encode_bare if is_known else self._form.encode_delta
        frame = event.encoded(brief or self._form.encode)
        self._tally.deltas += event.has_delta and not is_known
        self._socket.send_event(event, frame, self._form.encode)

    def _warn(self, seconds: int) -> None:
        self._reply(native.encode_notice("token_about_to_expire", expires_in=seconds))

    def _expire(self) -> None:
        self._leave(Close.TOKEN_EXPIRED, "the token has expired")

    def _give_up(self) -> None:
        seconds = self._settings.auth_timeout
        self._socket.close(Close.NOT_AUTHENTICATED_IN_TIME, f"no auth within {seconds:g} s")

    def _leave(self, code: int, reason: str) -> None:
        """Close once the requests under way are answered (`InFlight.leave`)."""
        self._backlog.leave(partial(self._socket.close, code, reason))


def _encode_event(event: Event) -> bytes:
    return text_frame(native.encode_event(event))


def _encode_delta(event: Event) -> bytes:
    """The frame for a client that has the data of `base`: a delta, or the whole event."""
    payload = None
    if isinstance(event, Updated):
        try:
            payload = native.encode_delta(event)
        except Exception:
            # Send the whole event instead.
            logger.exception("a delta of %s could not be made", event.sid)
    return event.encoded(_encode_event) if payload is None else text_frame(payload)


def _encode_bare(event: Event) -> bytes:
    """The frame for a client that has the data of the event already."""
    return text_frame(native.encode_event(event, {}))


def _body(command: Command, result: Result) -> dict[str, Any]:
    """The `ok` member of a reply (docs/protocol.md, section 3)."""
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
        case _:
            raise TypeError(f"no encoding for {result!r}")


def _write_body(command: Command, document: Document) -> dict[str, Any]:
    body = native.document_body(document, data=isinstance(command, Patch) and document.data != b"")
    if isinstance(command, Remove):
        body = {name: body[name] for name in ("sid", "unique_name", "revision")}
    return {"document": body}
