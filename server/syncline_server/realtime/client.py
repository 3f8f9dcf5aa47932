"""One client of a WebSocket: everything that does not depend on its protocol."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from functools import partial
from typing import Any, ClassVar, NamedTuple

from websockets.frames import CloseCode

from syncline_protocol.commands import Command
from syncline_protocol.errors import Refusal
from syncline_protocol.item_commands import GetItems, OpenCollection
from syncline_protocol.objects import Event
from syncline_server.auth.authenticator import revoked
from syncline_server.backend import Backend
from syncline_server.objects.work import SMALL_MESSAGE, work_of_json
from syncline_server.observability.metrics import Load
from syncline_server.pubsub.topic import Format

from .authentication import Authentication
from .connections import OPEN_SHOWN, ConnectionRegistry, Description
from .in_flight import InFlight
from .results import Answer, Result
from .session import Session
from .websocket.oversized_message import OversizedMessage
from .websocket.socket import Socket
from .websocket.states import Pause

__all__ = ["Client", "CloseCodes"]

logger = logging.getLogger("syncline.realtime")

PAGE_COMMANDS = (GetItems, OpenCollection)
"""Commands whose replies have a page of items. A client that sends many and reads nothing would
make the server keep all these pages (promise 5)."""


class CloseCodes(NamedTuple):
    """The close codes of a protocol."""

    disconnected: int
    too_slow: int
    token_expired: int
    token_refused: int


class Client(ABC):
    """The session of a client, its requests in flight, the flow of events to it, and its end.

    A protocol adds its message forms and its order of handshake. No method blocks.

    Attributes:
        protocol: the name of the protocol in logs and metrics.
        close_codes: its close codes.
        tally: counts its traffic.
        session: None until a token was accepted.
        key: the API key that signed the token in force; None if no API key did.
        format: the format of events for this client.
    """

    protocol: ClassVar[str]
    close_codes: ClassVar[CloseCodes]

    __slots__ = (
        "_connections",
        "_deferred",
        "authentication",
        "backend",
        "format",
        "in_flight",
        "key",
        "session",
        "socket",
        "tally",
        "writer",
    )

    def __init__(
        self, backend: Backend, connections: ConnectionRegistry, socket: Socket, form: Format
    ) -> None:
        self.backend = backend
        self.socket = socket
        self.writer = socket.writer
        self.tally = socket.route.tally
        self.format = form
        self.session: Session | None = None
        self.key: str | None = None
        self.in_flight = InFlight(socket)
        self.authentication = Authentication(self)
        # The task of a large message that waits.
        self._deferred: asyncio.Task[None] | None = None
        self._connections = connections

    @abstractmethod
    def take_message(self, message: str | bytes) -> None:
        """Carry out a message."""

    @abstractmethod
    def on_oversized(self, message: OversizedMessage) -> None:
        """As in `MessageHandler`."""

    @abstractmethod
    def send_event(self, event: Event) -> None:
        """Send an event with all its data."""

    @abstractmethod
    def send_notice(self, seconds: int) -> None:
        """Send the notice that the token expires in so many seconds."""

    @abstractmethod
    def refuse_late(self) -> None:
        """Close: no token was accepted within `Settings.auth_timeout`."""

    @abstractmethod
    def drain(self) -> None:
        """As in `LiveConnection`."""

    def on_message(self, message: str | bytes) -> None:
        """Carry out a message, later if it is large and the event loop is busy."""
        if len(message) <= SMALL_MESSAGE or not self._defer(message):
            self.take_message(message)

    def _defer(self, message: str | bytes) -> bool:
        """True if the message must wait: the event loop is busy, or the identity at its limit."""
        if self.session is None:
            return False
        waiting = self.session.access.allowance.begin(work_of_json(message))
        if waiting is None:
            return False
        self.socket.pause_reading(Pause.LARGE_MESSAGE)
        self._deferred = asyncio.create_task(self._take_later(message, waiting))
        return True

    async def _take_later(self, message: str | bytes, waiting: Coroutine[Any, Any, None]) -> None:
        await waiting
        self._deferred = None
        try:
            # The server may have begun to drain, or the token may have expired, during the wait.
            if not self.in_flight.leaving:
                self.take_message(message)
        except Exception:
            logger.exception("a message could not be handled")
            self.socket.close(CloseCode.INTERNAL_ERROR, "the server failed")
        self.socket.resume_reading(Pause.LARGE_MESSAGE)

    def submit(self, command: Command, answer: Answer) -> None:
        """Carry out a command of an authenticated client, and pass the outcome to `answer`."""
        assert self.session is not None
        self.in_flight.begin()
        if isinstance(command, PAGE_COMMANDS):
            self.in_flight.begin_page()
        self.session.submit(command, partial(self._finish, command, answer))

    def _finish(self, command: Command, answer: Answer, outcome: Result | Refusal) -> None:
        if isinstance(outcome, Refusal):
            self.record_refusal(outcome, command)
        answer(outcome)
        if isinstance(command, PAGE_COMMANDS):
            self.in_flight.end_page()
        self.in_flight.end()

    def record_refusal(self, refusal: Refusal, command: Command | None = None) -> None:
        """Record a refusal in the audit log. `command`: None if the request was no command."""
        action = "request" if command is None else command.verb
        known = partial(self.audited, object=None if command is None else command.address)
        self.backend.audit.refused(refusal.code, action, known)

    def audited(self, **known: object) -> dict[str, object]:
        """The fields of this client in the audit log, and those that are given."""
        return {
            "wire": self.protocol,
            "peer": self.socket.peer,
            "identity": self.authentication.identity or None,
            "key": self.key,
            **known,
        }

    def on_congestion(self) -> None:
        """Take the session off the fast path: the socket conflates events from here on."""
        if self.session is not None:
            self.session.disable_fast_path()

    def on_relief(self) -> None:
        """Put the session on the fast path: the hub writes events to the socket from here on."""
        if self.session is not None and self.writer.is_direct:
            self.session.enable_fast_path(self.format, self.writer)

    def on_slow(self) -> None:
        """Close the connection of a client that does not read."""
        self.socket.close(self.close_codes.too_slow, "the client does not read")

    def evict(self) -> None:
        """Close: the API key that signed the token in force was revoked."""
        # First end the session: `close` still sends what is queued, but nothing newer (promise 6).
        if self.session is not None:
            self.session.close()
        self.socket.close(self.close_codes.token_refused, revoked(login=False).message)

    def disconnect(self) -> None:
        """As in `LiveConnection`."""
        code = self.close_codes.disconnected
        self.in_flight.leave(partial(self.socket.close, code, "closed by an operator"))

    def expire_token(self) -> None:
        """Close once the requests in flight are answered: the token has expired."""
        code = self.close_codes.token_expired
        self.in_flight.leave(partial(self.socket.close, code, "the token has expired"))

    def on_end(self) -> None:
        """End the session, the timers and all tasks: the connection has ended."""
        if self._deferred is not None:
            self._deferred.cancel()
        self.authentication.end()
        if self.session is not None:
            self.session.close()
        self._connections.remove(self)

    def load(self) -> Load:
        """As in `LiveConnection`."""
        subscriptions = 0 if self.session is None else self.session.subscriptions
        return Load(self.protocol, subscriptions, self.in_flight.count, self.writer.waiting)

    def describe(self) -> Description:
        """As in `LiveConnection`."""
        session = self.session
        return Description(
            identity=self.authentication.identity or None,
            service_sid=None if session is None else session.access.service_sid,
            wire=self.protocol,
            peer=self.socket.peer or None,
            key=self.key,
            opened=[] if session is None else session.opened(OPEN_SHOWN),
            open_count=0 if session is None else session.subscriptions,
            in_flight=self.in_flight.count,
            waiting=self.writer.waiting,
            is_slow=not self.writer.is_direct,
        )
