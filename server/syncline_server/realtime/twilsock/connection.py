"""One Twilsock connection of an SDK."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial

from websockets.frames import CloseCode

from syncline_protocol import twilsock
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.objects import Event
from syncline_protocol.twilsock import HeaderTooLarge, MalformedFrame, Packet, Status
from syncline_server.auth.principal import Principal
from syncline_server.backend import Backend
from syncline_server.pubsub.outlets import choose
from syncline_server.realtime.admission import Admission
from syncline_server.realtime.client import Client, CloseCodes
from syncline_server.realtime.connections import ConnectionRegistry
from syncline_server.realtime.results import oversized
from syncline_server.realtime.websocket.frames import binary_frame
from syncline_server.realtime.websocket.oversized_message import OversizedMessage
from syncline_server.realtime.websocket.route import WebSocketRoute
from syncline_server.realtime.websocket.socket import Socket

from . import statuses
from .events import NEWEST_VERSION, EventFormats, encode_notifications
from .handshake import introduction, waits_for_own_messages
from .own_events import OwnEvents
from .requests import Requests

__all__ = ["PATH", "TwilsockClient", "websocket_route"]

PATH = "/v3/wsconnect"

PING_LIMIT = 20.0
"""Seconds between pings, at most: the Kotlin and iOS SDK disconnects after 45 s of silence."""

_PING = binary_frame(twilsock.encode_ping("ping"))


def websocket_route(
    backend: Backend, connections: ConnectionRegistry, admission: Admission
) -> WebSocketRoute:
    """The route of Twilsock, for `socket_protocol`.

    The rate of new connections is checked at `init`, because a refused handshake gives the SDKs
    neither a reason nor a time to wait.
    """
    tally = backend.meters.wires["twilsock"]
    formats = EventFormats(tally)

    def make(socket: Socket) -> TwilsockClient:
        return TwilsockClient(backend, connections, socket, formats=formats, admission=admission)

    # The confirmations of the SDKs, one for each event: `take_message` ignores them too.
    skip = getattr(choose(backend.settings.direct_writes), "skip_replies", None)
    return WebSocketRoute(make, tally=tally, is_paced=False, skip=skip)


class TwilsockClient(Client):
    """A client that speaks Twilsock."""

    protocol = "twilsock"
    # A client whose token is no longer valid is disconnected without a `close` packet. That packet
    # would have the status 410 or 401, and on either the JavaScript SDK stops: for 3 s it ignores
    # `updateToken`, whose promise then never settles, and it does not connect again. On a lost
    # connection every SDK reconnects, presents its token in `init`, and learns from the reply that
    # it expired (401/20104: the SDK emits `tokenExpired`; Kotlin and iOS ask for a new one) or is
    # refused (401/20101). From there `updateToken` works at once.
    close_codes = CloseCodes(
        disconnected=CloseCode.TRY_AGAIN_LATER,
        too_slow=CloseCode.TRY_AGAIN_LATER,
        token_expired=CloseCode.NORMAL_CLOSURE,
        token_refused=CloseCode.NORMAL_CLOSURE,
    )

    __slots__ = (
        "_admission",
        "_formats",
        "_ids",
        "_ping_interval",
        "_ping_timer",
        "_requests",
        "_used",
        "own_events",
    )

    def __init__(
        self,
        backend: Backend,
        connections: ConnectionRegistry,
        socket: Socket,
        *,
        formats: EventFormats,
        admission: Admission,
    ) -> None:
        # Events come only after a request to subscribe, which names the version and the host.
        used = formats.of(NEWEST_VERSION, "")
        super().__init__(backend, connections, socket, used.plain)
        self._admission = admission
        self._formats = formats
        self._used = used
        self.own_events = OwnEvents(receives_messages=True)
        # None until `init` was answered.
        self._requests: Requests | None = None
        self._ids = map(str, itertools.count(1))
        self._ping_interval = min(backend.settings.ping_interval, PING_LIMIT)
        self._ping_timer = socket.timers.call_later(self._ping_interval, self._ping)
        connections.add(self)

    def take_message(self, message: str | bytes) -> None:
        """Carry out a packet; close if the message is none."""
        frame = message.encode() if isinstance(message, str) else message
        if self._requests is not None and twilsock.is_reply(frame):
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
                self.socket.close(CloseCode.NORMAL_CLOSURE, "closed by the client")
            case "init" if self._requests is None:
                self._initialize(packet)
            case _ if self._requests is None:
                self._leave(statuses.not_acceptable("the first message must be init"))
            case "message":
                self._requests.carry_out(packet)
            case "update":
                self._authenticate(packet)
            case "ping" | "put_notification_ctx" | "delete_notification_ctx" | "telemetry.v1":
                self.send(twilsock.encode_reply(packet.id))
            case _:
                status = statuses.not_acceptable("this method is not known, or not now")
                self.send(twilsock.encode_reply(packet.id, status))

    def on_oversized(self, message: OversizedMessage) -> None:
        """Refuse the request that the message begins with."""
        limit = self.backend.settings.socket_message_limit
        self._refuse_oversized(message.head, oversized(message.size, limit))

    def _refuse_oversized(self, head: bytes, refusal: Refusal) -> None:
        packet = None if self._requests is None else twilsock.beginning(head)
        if packet is None or self._requests is None:
            # Not 406: the JavaScript SDK never connects again after that.
            return self.socket.close(CloseCode.MESSAGE_TOO_BIG, "the message is too large")
        if packet.method == "message":
            self._requests.refuse(packet, refusal)
        elif packet.method != "reply":
            self.tally.refused[refusal.code] += 1
            self.send(twilsock.encode_reply(packet.id, statuses.too_large(refusal)))

    def _initialize(self, packet: Packet) -> None:
        if self._admission.check_rate() is None:
            self._authenticate(packet)
        else:
            self._admission.record_refusal(Code.RATE_LIMITED, PATH, self.socket.peer)
            self.send(twilsock.encode_reply(packet.id, statuses.TOO_MANY, statuses.backoff()))
            self.socket.close(CloseCode.TRY_AGAIN_LATER, "too many connections")

    def _authenticate(self, packet: Packet) -> None:
        self.authentication.begin(packet.header.get("token"), partial(self._answer_token, packet))

    def _answer_token(self, packet: Packet, outcome: Principal | Refusal) -> None:
        if isinstance(outcome, Refusal):
            self.tally.refused[outcome.code] += 1
            self.send(twilsock.encode_reply(packet.id, statuses.refused(outcome)))
        elif self._requests is not None:
            self.send(twilsock.encode_reply(packet.id))
        else:
            assert self.session is not None
            self.own_events = OwnEvents(receives_messages=waits_for_own_messages(packet))
            self.session.take_own(self._send_own_event)
            self.on_relief()
            self._requests = Requests(self, self.session)
            account_sid = self.backend.authenticator.account_sid
            service_sid = self.session.access.service_sid
            header = introduction(packet, account_sid, service_sid, outcome.identity)
            self.send(twilsock.encode_reply(packet.id, **header))

    def use_format(self, version: int, service_url: str) -> None:
        """Send events as the newest request to subscribe asked for them."""
        used = self._formats.of(version, service_url)
        if used is not self._used:
            # The hub keeps the fast path's subscribers by format: leave under the old format first.
            self.on_congestion()
            self._used = used
            self.format = used.deflated if self.socket.deflates else used.plain
            self.on_relief()

    def send(self, packet: bytes) -> None:
        """Send a packet."""
        self.writer.send(binary_frame(packet))

    def send_event(self, event: Event) -> None:
        """Send an event with all its data."""
        encode = self.format.encode
        self._send_event(event, event.encoded(encode), encode)
        if event.resets and self._requests is not None:
            # To the client this was the end of the collection. (On the fast path it comes without
            # this call, and the client itself ends the subscription.)
            self._requests.end_subscription(event.sid)

    def _send_own_event(self, event: Event) -> None:
        """Send what the SDK does not report from its own reply."""
        used = self._used
        several = self.own_events.notifications(event, used.service_url)
        # Messages that a slow reader misses are counted, and so encoded again; no echo is.
        encode = None if event.is_stored else self.format.encode
        self._send_event(event, encode_notifications(used.version, several), encode)

    def _send_event(
        self, event: Event, frames: bytes, encode: Callable[[Event], bytes] | None
    ) -> None:
        if frames:
            self.writer.send_event(event, frames, encode)

    def send_notice(self, seconds: int) -> None:
        """Send the notice that the token expires in so many seconds."""
        message = f"The access token expires in {seconds} seconds"
        self.send(twilsock.encode_client_update(next(self._ids), "token_about_to_expire", message))

    def refuse_late(self) -> None:
        """Close: there was no `init` in time."""
        self._leave(statuses.TOO_LATE)

    def drain(self) -> None:
        """Close after the replies under way; the client reconnects after its random `backoff`."""
        self._leave(statuses.GOING_AWAY, statuses.backoff())

    def on_end(self) -> None:
        """End the session, the timers and all tasks: the connection has ended."""
        self._ping_timer.cancel()
        super().on_end()

    def _ping(self) -> None:
        self.writer.send(_PING)
        self._ping_timer = self.socket.timers.call_later(self._ping_interval, self._ping)

    def _leave(self, status: Status, payload: bytes = b"") -> None:
        """Send a `close` packet and close, once the requests under way are answered."""
        self.in_flight.leave(partial(self._close, status, payload))

    def _close(self, status: Status, payload: bytes) -> None:
        self.send(twilsock.encode_close(next(self._ids), status, payload))
        self.socket.close(CloseCode.NORMAL_CLOSURE, status.description or status.name)
