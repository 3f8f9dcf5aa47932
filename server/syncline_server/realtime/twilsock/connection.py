"""One Twilsock connection of an SDK."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import logging
from collections.abc import Mapping
from functools import partial
from typing import Any

from websockets.frames import CloseCode

from syncline_protocol import twilsock
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.objects import Event
from syncline_protocol.twilsock import (
    HeaderTooLarge,
    MalformedFrame,
    Packet,
    Status,
)
from syncline_server.auth.authenticator import Principal, revoked
from syncline_server.backend import Backend
from syncline_server.objects.work import SMALL_MESSAGE
from syncline_server.observability.logs import about
from syncline_server.observability.metrics import Load, Tally
from syncline_server.pubsub.topic import Format
from syncline_server.realtime.admission import Admission
from syncline_server.realtime.client import Client
from syncline_server.realtime.connections import ConnectionRegistry
from syncline_server.realtime.in_flight import InFlight
from syncline_server.realtime.large_messages import LargeMessages
from syncline_server.realtime.results import oversized
from syncline_server.realtime.session import Session
from syncline_server.realtime.websocket.endpoint import WebSocketRoute
from syncline_server.realtime.websocket.frames import binary_frame, deflating
from syncline_server.realtime.websocket.oversized_message import OversizedMessage
from syncline_server.realtime.websocket.socket import Socket

from . import statuses
from .events import NEWEST_VERSION, VERSIONS, encoder
from .requests import Upstream

__all__ = ["PATH", "endpoint"]

logger = logging.getLogger("syncline.twilsock")

PATH = "/v3/wsconnect"

PRODUCT = "data_sync"

CAPABILITIES = ("client_update", "offline_storage", "telemetry.v1", "account_descriptor")

PING_LIMIT = 20.0
"""Seconds between pings, at most: the Kotlin and iOS SDK disconnects after 45 s of silence."""

_PING = binary_frame(twilsock.encode_ping("ping"))


def endpoint(backend: Backend, connections: ConnectionRegistry, door: Admission) -> WebSocketRoute:
    """The route of Twilsock, for `socket_protocol`.

    The rate of new connections is checked at `init`, because a refused handshake gives the SDKs
    neither a reason nor a time to wait.
    """
    tally = backend.meters.wires["twilsock"]
    forms = {version: _formats(version, tally) for version in VERSIONS}
    return WebSocketRoute(
        lambda socket: _Twilsock(backend, connections, door, forms, socket),
        tally=tally,
        is_paced=False,
    )


_Formats = tuple[Format, Format]
"""The formats for clients that take no compressed frames, and for those that do."""


def _formats(version: int, tally: Tally) -> _Formats:
    encode = encoder(version)
    return Format(encode, None, tally), Format(deflating(encode), None, tally)


class _Twilsock:
    """One client: receives packets, sends replies and notifications."""

    __slots__ = (
        "_alarm",
        "_backend",
        "_backlog",
        "_caller",
        "_connections",
        "_door",
        "_form",
        "_forms",
        "_ids",
        "_large_messages",
        "_ping_interval",
        "_presenting",
        "_socket",
        "_tally",
        "_upstream",
    )

    def __init__(
        self,
        backend: Backend,
        connections: ConnectionRegistry,
        door: Admission,
        forms: Mapping[int, _Formats],
        socket: Socket,
    ) -> None:
        """`forms`: the formats of events, by the version that a client asks for."""
        self._backend = backend
        self._connections = connections
        self._door = door
        self._forms = forms
        self._form = forms[NEWEST_VERSION][socket.deflates]
        self._socket = socket
        self._tally = socket.endpoint.tally
        self._backlog = InFlight(socket)
        self._caller = Client(
            backend,
            socket,
            "twilsock",
            on_event=self._send_event,
            on_late=partial(self._leave, statuses.TOO_LATE),
            on_notice=self._warn,
            on_expiry=self._expire,
        )
        self._upstream: Upstream | None = None
        self._presenting: asyncio.Task[None] | None = None
        self._large_messages: LargeMessages | None = None
        self._ids = map(str, itertools.count(1))
        self._ping_interval = min(backend.settings.ping_interval, PING_LIMIT)
        self._alarm = socket.wheel.call_later(self._ping_interval, self._ping)
        connections.arrive(self)

    def on_message(self, message: str | bytes) -> None:
        """Carry out a packet, later if it is large and the event loop is busy."""
        if len(message) <= SMALL_MESSAGE or not self._is_deferred(message):
            self._take_message(message)

    def _is_deferred(self, message: str | bytes) -> bool:
        if self._large_messages is None:
            # Only now: there are very many connections, and most never send a large message.
            self._large_messages = LargeMessages(
                self._socket, self._backlog, self._take_message, lambda: self._presenting is None
            )
        return self._large_messages.defer(message, self._caller.session)

    def _take_message(self, message: str | bytes) -> None:
        frame = message.encode() if isinstance(message, str) else message
        if self._upstream is not None and twilsock.is_reply(frame):
            return
        try:
            packet = twilsock.decode(frame)
        except HeaderTooLarge as error:
            return self._refuse_oversized(frame, Refusal(Code.TOO_LARGE, f"In the packet {error}."))
        except MalformedFrame as error:
            return self._leave(statuses.not_acceptable(str(error)))
        match packet.method:
            case "reply":
                pass
            case "close":
                self._socket.close(CloseCode.NORMAL_CLOSURE, "closed by the client")
            case "init" if self._upstream is None:
                self._begin(packet)
            case _ if self._upstream is None:
                self._leave(statuses.not_acceptable("the first message must be init"))
            case "message":
                self._upstream.take(packet)
            case "update":
                self._present(packet)
            case "ping" | "put_notification_ctx" | "delete_notification_ctx" | "telemetry.v1":
                self._send(twilsock.encode_reply(packet.id))
            case _:
                status = statuses.not_acceptable("this method is not known, or not now")
                self._send(twilsock.encode_reply(packet.id, status))

    def on_oversized(self, message: OversizedMessage) -> None:
        """Refuse the request that the message begins with."""
        limit = self._backend.settings.socket_message_limit
        self._refuse_oversized(message.head, oversized(message.size, limit))

    def on_congestion(self) -> None:
        """Take the session off the fast path: the socket conflates events from here on."""
        self._caller.stop_flow()

    def on_relief(self) -> None:
        """Put the session on the fast path, once the client has authenticated."""
        self._caller.flow(self._form)

    def on_slow(self) -> None:
        """Close the connection of a client that does not read."""
        self._socket.close(CloseCode.TRY_AGAIN_LATER, "the client does not read")

    def on_end(self) -> None:
        """End the session, the timer and all tasks of the client."""
        self._alarm.cancel()
        if self._presenting is not None:
            self._presenting.cancel()
        if self._large_messages is not None:
            self._large_messages.cancel()
        self._caller.end()
        self._connections.depart(self)

    @property
    def key(self) -> str | None:
        """As in `LiveConnection`."""
        return self._caller.key

    def evict(self) -> None:
        """Disconnect: the key of the token in force was revoked."""
        # First end the session: queued frames are still sent, but nothing newer (promise 6).
        self._caller.silence()
        self._disconnect(revoked(login=False).message)

    def drain(self) -> None:
        """Close after the replies under way; the client reconnects after its random `backoff`."""
        self._leave(statuses.GOING_AWAY, statuses.backoff())

    def load(self) -> Load:
        """The client's current use of resources."""
        return Load(
            "twilsock", self._caller.subscriptions, self._backlog.count, self._socket.waiting
        )

    def _refuse_oversized(self, head: bytes, refusal: Refusal) -> None:
        packet = None if self._upstream is None else twilsock.beginning(head)
        if packet is None or self._upstream is None:
            # Not 406: the JavaScript SDK never connects again after that.
            return self._socket.close(CloseCode.MESSAGE_TOO_BIG, "the message is too large")
        if packet.method == "message":
            self._upstream.refuse(packet, refusal)
        elif packet.method != "reply":
            self._tally.refused[refusal.code] += 1
            self._send(twilsock.encode_reply(packet.id, statuses.too_large(refusal)))

    def _begin(self, packet: Packet) -> None:
        if self._door.hurried() is None:
            self._present(packet)
        else:
            self._door.turned_away(Code.RATE_LIMITED, PATH, self._socket.peer)
            reply = twilsock.encode_reply(packet.id, statuses.TOO_MANY, statuses.backoff())
            self._send(reply)
            self._socket.close(CloseCode.TRY_AGAIN_LATER, "too many connections")

    def _present(self, packet: Packet) -> None:
        # No request is read until the token is accepted: it would run under the old rights.
        self._socket.pause_reading()
        self._presenting = asyncio.create_task(self._check_token(packet))

    async def _check_token(self, packet: Packet) -> None:
        about(wire="twilsock", peer=self._socket.peer)
        token = packet.header.get("token")
        try:
            if not isinstance(token, str):
                raise Refusal(Code.TOKEN_INVALID, "The access token must be a string.")
            principal, session = await self._caller.present(token)
        except Refusal as refusal:
            self._tally.refused[refusal.code] += 1
            self._send(twilsock.encode_reply(packet.id, statuses.refused(refusal)))
            if self._upstream is None and not refusal.code.retry:
                self._socket.close(CloseCode.NORMAL_CLOSURE, refusal.message)
        except Exception:
            logger.exception("an authentication failed")
            self._socket.close(CloseCode.INTERNAL_ERROR, "the server failed")
        else:
            if self._upstream is None:
                self._socket.trust()
                self.on_relief()
                self._welcome(packet, principal, session)
            else:
                self._send(twilsock.encode_reply(packet.id))
        self._presenting = None
        # `_leave` or `_expire` may have been called during the await.
        if not self._backlog.leaving:
            self._socket.resume_reading()

    def _welcome(self, packet: Packet, principal: Principal, session: Session) -> None:
        self._upstream = Upstream(
            self._backend,
            session,
            self._backlog,
            self._caller.note,
            self._send,
            self._socket.send,
            self._use_version,
        )
        service_sid = session.access.service_sid
        account_sid = self._backend.authenticator.account_sid
        members = _introduction(packet, account_sid, service_sid, principal.identity)
        self._send(twilsock.encode_reply(packet.id, **members))

    def _send(self, packet: bytes) -> None:
        self._socket.send(binary_frame(packet))

    def _send_event(self, event: Event) -> None:
        self._socket.send_event(event, event.encoded(self._form.encode))

    def _use_version(self, version: int) -> None:
        """Send events in the version that the newest request to subscribe asked for."""
        form = self._forms[version][self._socket.deflates]
        if form is not self._form:
            # The hub keeps the fast path's subscribers by format: leave under the old format first.
            self._caller.stop_flow()
            self._form = form
            self.on_relief()

    def _ping(self) -> None:
        self._socket.send(_PING)
        self._alarm = self._socket.wheel.call_later(self._ping_interval, self._ping)

    def _warn(self, seconds: int) -> None:
        message = f"The access token expires in {seconds} seconds"
        self._send(twilsock.encode_client_update(next(self._ids), "token_about_to_expire", message))

    def _expire(self) -> None:
        self._backlog.leave(partial(self._disconnect, "the token has expired"))

    def _disconnect(self, reason: str) -> None:
        """End the connection of a client whose token is no longer valid, without a `close` packet.

        The packet for this would have the status 410 or 401. On either the JavaScript SDK stops:
        for 3 s it ignores `updateToken`, whose promise then never settles, and it does not connect
        again. On a lost connection every SDK reconnects, presents its token in `init`, and learns
        from the reply that it expired (401/20104: the SDK emits `tokenExpired`; Kotlin and iOS ask
        for a new one) or is refused (401/20101). From there `updateToken` works at once.
        """
        self._socket.close(CloseCode.NORMAL_CLOSURE, reason)

    def _leave(self, status: Status, payload: bytes = b"") -> None:
        """Send a `close` packet and close, once the requests under way are answered."""
        self._backlog.leave(partial(self._close, status, payload))

    def _close(self, status: Status, payload: bytes) -> None:
        self._send(twilsock.encode_close(next(self._ids), status, payload))
        self._socket.close(CloseCode.NORMAL_CLOSURE, status.description or status.name)


def _introduction(
    packet: Packet, account_sid: str, service_sid: str, identity: str
) -> dict[str, Any]:
    """The header of the reply to `init`, without its status."""
    asked = packet.header.get("capabilities")
    continuation = _stable_id("continuation", service_sid, identity)
    held = packet.header.get("continuation_token")
    return {
        "capabilities": [name for name in CAPABILITIES if name in asked]
        if isinstance(asked, list)
        else [],
        "continuation_token": continuation,
        "continuation_token_status": {"reissued": False}
        if held == continuation
        else {
            "reissued": True,
            "reissue_reason": "MISSING" if held is None else "DIFFERENT_IDENTITY",
            "reissue_message": "Nothing to continue" if held is None else "Different identity",
        },
        "offline_storage": {PRODUCT: {"storage_id": _stable_id("storage", service_sid, identity)}},
        "account_descriptor": {
            "account_sid": account_sid,
            "instance_sids": {PRODUCT: service_sid},
            "identity": identity,
        },
    }


def _stable_id(purpose: str, service_sid: str, identity: str) -> str:
    """An id that is equal for all connections of one identity; it names the client's storage."""
    text = f"{purpose}\n{service_sid}\n{identity}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]
