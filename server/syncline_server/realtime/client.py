"""The client of a socket: its token and its session."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from syncline_protocol.commands import Command
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.objects import Event
from syncline_server.auth.authenticator import Principal, claimed
from syncline_server.backend import Backend
from syncline_server.objects.access import Access
from syncline_server.observability.metrics import Limit
from syncline_server.pubsub.topic import Format
from syncline_server.storage.services import DEFAULT_NAME
from syncline_server.webhooks.reachability import make_endpoint_id

from .session import Session
from .token_expiry import TokenTimer
from .websocket.socket import Socket

__all__ = ["Client"]


class Client:
    """The token in force, and the session that the first accepted token opened.

    Attributes:
        session: None until a token was accepted.
        key: the API key that signed the token in force; None if no API key did.
    """

    __slots__ = (
        "_audit",
        "_backend",
        "_deadline",
        "_endpoint",
        "_identity",
        "_life",
        "_on_event",
        "_on_late",
        "_socket",
        "_wire",
        "key",
        "session",
    )

    def __init__(
        self,
        backend: Backend,
        socket: Socket,
        wire: str,
        *,
        on_event: Callable[[Event], None],
        on_late: Callable[[], None],
        on_notice: Callable[[int], None],
        on_expiry: Callable[[], None],
    ) -> None:
        """No callback may block.

        Args:
            wire: the name of the protocol in logs.
            on_event: receives the events of the documents that the session has open.
            on_late: called if no token was accepted within `Settings.auth_timeout`.
            on_notice: receives the seconds until the token expires, some time before.
            on_expiry: called when the token has expired.
        """
        self.session: Session | None = None
        self.key: str | None = None
        self._backend = backend
        self._audit = backend.audit
        self._identity = ""
        self._endpoint = make_endpoint_id()
        self._on_event = on_event
        self._on_late = on_late
        self._socket, self._wire = socket, wire
        wheel = socket.wheel
        self._deadline = wheel.call_later(backend.settings.auth_timeout, self._give_up)
        self._life = TokenTimer(wheel, backend.settings.token_leeway, on_notice, on_expiry)

    def flow(self, form: Format) -> None:
        """Let the hub write updates to the socket, if there is a session and the socket is free.

        `form`: the format of the protocol.
        """
        if self.session is not None and self._socket.is_free:
            self.session.enable_fast_path(form, self._socket)

    def stop_flow(self) -> None:
        """Have every event pass through the session."""
        if self.session is not None:
            self.session.disable_fast_path()

    @property
    def subscriptions(self) -> int:
        """Number of open documents."""
        return 0 if self.session is None else self.session.subscriptions

    async def present(self, token: str) -> tuple[Principal, Session]:
        """Put a token in force, in place of the previous one.

        Raises:
            Refusal: the token is invalid, or for another identity or service than the first.
        """
        try:
            return await self._present(token)
        except Refusal as refusal:
            known = {"key": claimed(f"Bearer {token}")}
            self._audit.refused(refusal.code, "auth", partial(self._known, known))
            raise

    def note(self, refusal: Refusal, command: Command | None) -> None:
        """Record a refusal in the audit log. `command`: None if the request was no command."""
        action = "request" if command is None else command.verb
        known = {"object": None if command is None else command.address}
        self._audit.refused(refusal.code, action, partial(self._known, known))

    def _known(self, known: Mapping[str, object]) -> dict[str, object]:
        return {
            "wire": self._wire,
            "peer": self._socket.peer,
            "identity": self._identity or None,
            "key": self.key,
            **known,
        }

    async def _present(self, token: str) -> tuple[Principal, Session]:
        principal = await self._backend.authenticator.bearer(token)
        access = await Access.enter(self._backend, principal, principal.service or DEFAULT_NAME)
        # The key may have been revoked during the awaits above. From here on there is none, and
        # `evict` finds this connection by its `key`.
        self._backend.authenticator.confirm(principal)
        access.endpoint = self._endpoint
        if self.session is None:
            self._deadline.cancel()
            self._identity = principal.identity
            self._backend.reachability.arrive(
                access.service_sid, principal.identity, self._endpoint
            )
            self.session = Session(self._backend, access, self._on_event)
        held = (self._identity, self.session.access.service_sid)
        if (principal.identity, access.service_sid) != held:
            raise Refusal(
                Code.TOKEN_OF_ANOTHER, "The new token was issued for another identity or service."
            )
        self.session.adopt(access)
        self.key = principal.key
        self._life.begin(principal.expires_at)
        return principal, self.session

    def silence(self) -> None:
        """Send no more events and replies of the session."""
        if self.session is not None:
            self.session.close()

    def _give_up(self) -> None:
        self._backend.meters.limit_hits[Limit.AUTH_TIMEOUT] += 1
        self._on_late()

    def end(self) -> None:
        """End the timers and the session; no callback is called any more."""
        self._deadline.cancel()
        self._life.end()
        if self.session is not None:
            self.session.close()
            self._backend.reachability.leave(self._endpoint)
