"""Who is on the other side of a socket."""

from __future__ import annotations

from collections.abc import Callable

from syncline_protocol.document import Event
from syncline_protocol.errors import Code, Refusal
from syncline_server.auth import Principal
from syncline_server.backend import Backend
from syncline_server.session import Session
from syncline_server.storage.services import DEFAULT_NAME

from .lifetime import TokenLife
from .wheel import Wheel

__all__ = ["Caller"]


class Caller:
    """The token in force, and the session that the first one opened.

    Attributes:
        session: None until a token was accepted.
    """

    def __init__(
        self,
        backend: Backend,
        wheel: Wheel,
        *,
        on_event: Callable[[Event], None],
        on_late: Callable[[], None],
        on_notice: Callable[[int], None],
        on_expiry: Callable[[], None],
    ) -> None:
        """All callbacks are plain calls.

        Args:
            on_event: takes the events of what the session has open.
            on_late: no token was accepted within `Settings.auth_timeout`.
            on_notice: the token runs out in so many seconds.
            on_expiry: the token has run out.
        """
        self.session: Session | None = None
        self._backend = backend
        self._identity = ""
        self._on_event = on_event
        self._on_late = on_late
        self._deadline = wheel.call_later(backend.settings.auth_timeout, self._give_up)
        self._life = TokenLife(wheel, backend.settings.token_leeway, on_notice, on_expiry)

    @property
    def subscriptions(self) -> int:
        """How many documents are open."""
        return 0 if self.session is None else self.session.subscriptions

    async def present(self, token: str) -> tuple[Principal, Session]:
        """Put a token in force, in place of the one before.

        Raises:
            Refusal: it is not acceptable, or for another identity or service than the first.
        """
        principal = self._backend.authenticator.token(token)
        workspace = await self._backend.workspace(principal, principal.service or DEFAULT_NAME)
        if self.session is None:
            self._deadline.cancel()
            self._identity = principal.identity
            self.session = Session(self._backend, workspace, self._on_event)
        held = (self._identity, self.session.workspace.service_sid)
        if (principal.identity, workspace.service_sid) != held:
            raise Refusal(
                Code.TOKEN_OF_ANOTHER, "The new token was issued for another identity or service."
            )
        self._life.begin(principal.expires_at)
        return principal, self.session

    def _give_up(self) -> None:
        self._backend.meters.bounds["auth_timeout"] += 1
        self._on_late()

    def end(self) -> None:
        """Nothing is called any more, and nothing stays open."""
        self._deadline.cancel()
        self._life.end()
        if self.session is not None:
            self.session.close()
