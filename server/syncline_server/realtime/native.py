"""The native protocol over a WebSocket (docs/protocol.md)."""

from __future__ import annotations

from functools import partial
from typing import Any

from websockets.frames import CloseCode

from syncline_protocol import native
from syncline_protocol.commands import Command
from syncline_protocol.errors import Refusal
from syncline_protocol.native import Authenticate, Close, Ping, ProtocolViolation
from syncline_protocol.objects import Event
from syncline_server.auth.principal import Principal
from syncline_server.backend import Backend
from syncline_server.config.clock import clock

from .client import Client, CloseCodes
from .connections import ConnectionRegistry
from .native_events import Formats, encode_bare
from .native_replies import error_details, reply_body
from .results import Result, oversized
from .websocket.frames import text_frame
from .websocket.oversized_message import OversizedMessage
from .websocket.route import WebSocketRoute
from .websocket.socket import Socket

__all__ = ["PATH", "websocket_route"]

PATH = "/v1/ws"


def websocket_route(backend: Backend, connections: ConnectionRegistry) -> WebSocketRoute:
    """The route of the native protocol, for `socket_protocol`."""
    tally = backend.meters.wires["native"]
    settings = backend.settings
    limits = native.Limits(
        data=settings.data_limit,
        item=settings.item_limit,
        message=settings.message_limit,
        # A batch of items has more values than any data.
        values=max(settings.values_limit, settings.batch_values_limit),
    )
    make = partial(NativeClient, backend, connections, formats=Formats.of(tally), limits=limits)
    return WebSocketRoute(make, native.SUBPROTOCOL, tally=tally)


class NativeClient(Client):
    """A client that speaks the native protocol."""

    protocol = "native"
    close_codes = CloseCodes(
        disconnected=Close.GOING_AWAY,
        too_slow=Close.TOO_SLOW,
        token_expired=Close.TOKEN_EXPIRED,
        token_refused=Close.TOKEN_REFUSED,
    )

    __slots__ = ("_formats", "_limits")

    def __init__(
        self,
        backend: Backend,
        connections: ConnectionRegistry,
        socket: Socket,
        *,
        formats: Formats,
        limits: native.Limits,
    ) -> None:
        super().__init__(backend, connections, socket, formats.whole[socket.deflates])
        self._formats = formats
        self._limits = limits
        connections.add(self)

    def take_message(self, message: str | bytes) -> None:
        """Carry out a request; close if the message is none."""
        try:
            if isinstance(message, bytes):
                raise ProtocolViolation("a message must be a text frame")
            request = native.decode(message, self._limits)
            self.tally.requests += 1
            if isinstance(request.command, Authenticate):
                answer = partial(
                    self._answer_token, request.id, request.command, self.session is None
                )
                self.authentication.begin(request.command.token, answer)
            elif self.session is None:
                raise ProtocolViolation("the first request must be auth")
            else:
                self._carry_out(request.id, request.command)
        except ProtocolViolation as violation:
            self.socket.close(Close.PROTOCOL_VIOLATION, str(violation))

    def on_oversized(self, message: OversizedMessage) -> None:
        """Refuse the request that the message begins with; close if its id cannot be read."""
        request_id = native.leading_id(message.head) if message.is_text else None
        if request_id is None or self.session is None:
            return self.socket.close(CloseCode.MESSAGE_TOO_BIG, "the message is too large")
        self.tally.requests += 1
        refusal = oversized(message.size, self.backend.settings.socket_message_limit)
        self.record_refusal(refusal)
        self._refuse(request_id, refusal)

    def _carry_out(self, request_id: int, command: Command | Ping | Refusal) -> None:
        if isinstance(command, Refusal):
            self.record_refusal(command)
            self._refuse(request_id, command)
        elif isinstance(command, Ping):
            self._send(native.encode_ok(request_id, {}))
        else:
            self.submit(command, partial(self._answer, request_id, command))

    def _answer(self, request_id: int, command: Command, outcome: Result | Refusal) -> None:
        if isinstance(outcome, Refusal):
            self._refuse(request_id, outcome, error_details(command, outcome))
        else:
            self._send(native.encode_ok(request_id, reply_body(command, outcome)))

    def _answer_token(
        self, request_id: int, request: Authenticate, is_first: bool, outcome: Principal | Refusal
    ) -> None:
        if isinstance(outcome, Refusal):
            return self._refuse(request_id, outcome)
        assert self.session is not None
        # Choose the format first: `on_relief` joins the fast path with it.
        if is_first and request.deltas:
            self.session.take_deltas(self._send_delta)
            self.format = self._formats.deltas[self.socket.deflates]
        self.on_relief()
        settings = self.backend.settings
        body = {
            "identity": outcome.identity,
            "service_sid": self.session.access.service_sid,
            "expires_in": max(0, round((outcome.expires_at or 0) - clock.now())),
            "data_limit": settings.data_limit,
            "item_limit": settings.item_limit,
            "stream_message_limit": settings.message_limit,
            "message_limit": settings.socket_message_limit,
        }
        self._send(native.encode_ok(request_id, body))

    def _refuse(
        self, request_id: int, refusal: Refusal, details: dict[str, Any] | None = None
    ) -> None:
        self.tally.refused[refusal.code] += 1
        self._send(native.encode_error(request_id, refusal, details))

    def _send(self, payload: bytes) -> None:
        self.writer.send(text_frame(payload))

    def send_event(self, event: Event) -> None:
        """Send an event with all its data."""
        encode = self.format.encode
        self.writer.send_event(event, event.encoded(encode), encode)

    def _send_delta(self, event: Event, is_known: bool) -> None:
        encode = encode_bare if is_known else self.format.encode_delta
        frame = event.encoded(encode or self.format.encode)
        self.tally.deltas += event.has_delta and not is_known
        self.writer.send_event(event, frame, self.format.encode)

    def send_notice(self, seconds: int) -> None:
        """Send the notice that the token expires in so many seconds."""
        self._send(native.encode_notice("token_about_to_expire", expires_in=seconds))

    def refuse_late(self) -> None:
        """Close with `NOT_AUTHENTICATED_IN_TIME`."""
        seconds = self.backend.settings.auth_timeout
        self.socket.close(Close.NOT_AUTHENTICATED_IN_TIME, f"no auth within {seconds:g} s")

    def drain(self) -> None:
        """Close with `GOING_AWAY` after the replies under way; the client then reconnects."""
        close = partial(self.socket.close, Close.GOING_AWAY, "the server is shutting down")
        self.in_flight.leave(close)
