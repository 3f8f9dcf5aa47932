"""Authentication of one client: its first token, fresh tokens, and the expiry of either."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING

from websockets.frames import CloseCode

from syncline_protocol.errors import Code, Refusal
from syncline_server.auth.authenticator import Principal, claimed
from syncline_server.objects.access import Access
from syncline_server.observability.logs import about
from syncline_server.observability.metrics import Limit
from syncline_server.storage.services import DEFAULT_NAME
from syncline_server.webhooks.reachability import make_endpoint_id

from .session import Session
from .token_expiry import TokenTimer
from .websocket.states import Pause

if TYPE_CHECKING:
    from .client import Client

__all__ = ["Authentication"]


class Authentication:
    """Puts tokens in force: the first opens the session of the client, later ones replace it.

    Attributes:
        identity: of the first token; empty before.
    """

    __slots__ = ("_client", "_deadline", "_endpoint_sid", "_task", "_timer", "identity")

    def __init__(self, client: Client) -> None:
        self.identity = ""
        self._client = client
        self._endpoint_sid = make_endpoint_id()
        self._task: asyncio.Task[None] | None = None
        settings, timers = client.backend.settings, client.socket.timers
        self._deadline = timers.call_later(settings.auth_timeout, self._miss_deadline)
        self._timer = TokenTimer(
            timers, settings.token_leeway, client.send_notice, client.expire_token
        )

    def begin(self, token: object, answer: Callable[[Principal | Refusal], None]) -> None:
        """Check a token, put it in force, and call `answer`: at once, if nothing must be waited
        for, else in a task.

        A client whose first token is refused is disconnected, unless it may try again.
        """
        try:
            # A context of its own: the log fields of this client are not those of its transport.
            outcome = copy_context().run(self._check_at_once, token)
        except Exception:
            return self._fail()
        if outcome is not None:
            return self._conclude(outcome, answer)
        # Read no request until the token is accepted: it would run under the old rights.
        self._client.socket.pause_reading(Pause.AUTHENTICATION)
        self._task = asyncio.create_task(self._run(token, answer))

    def end(self) -> None:
        """End the timers and the task; no callback is called any more."""
        if self._task is not None:
            self._task.cancel()
        self._deadline.cancel()
        self._timer.stop()
        if self._client.session is not None:
            self._client.backend.reachability.leave(self._endpoint_sid)

    def _check_at_once(self, token: object) -> Principal | Refusal | None:
        """Check a token, and put it in force; None if that may have to wait."""
        client = self._client
        backend = client.backend
        about(wire=client.protocol, peer=client.socket.peer)
        try:
            principal = backend.authenticator.authenticate_at_once(_text(token))
            if principal is None:
                return None
            access = Access.enter_at_once(backend, principal, principal.service or DEFAULT_NAME)
            if access is None:
                return None
            self._adopt(principal, access)
        except Refusal as refusal:
            return self._record(refusal, token)
        return principal

    async def _check(self, token: object) -> Principal | Refusal:
        """As `_check_at_once`, waiting for what is needed."""
        client = self._client
        backend = client.backend
        about(wire=client.protocol, peer=client.socket.peer)
        try:
            principal = await backend.authenticator.authenticate_token(_text(token))
            access = await Access.enter(backend, principal, principal.service or DEFAULT_NAME)
            # The key may have been revoked during the awaits above. From here on there is none, and
            # `evict` finds this client by its `key`.
            backend.authenticator.confirm(principal)
            self._adopt(principal, access)
        except Refusal as refusal:
            return self._record(refusal, token)
        return principal

    async def _run(self, token: object, answer: Callable[[Principal | Refusal], None]) -> None:
        try:
            self._conclude(await self._check(token), answer)
        except Exception:
            self._fail()
        self._task = None
        self._client.socket.resume_reading(Pause.AUTHENTICATION)

    def _record(self, refusal: Refusal, token: object) -> Refusal:
        known = partial(self._client.audited, key=claimed(f"Bearer {token}"))
        self._client.backend.audit.refused(refusal.code, "auth", known)
        return refusal

    def _conclude(
        self, outcome: Principal | Refusal, answer: Callable[[Principal | Refusal], None]
    ) -> None:
        """Answer, and disconnect a client that may not try again."""
        client = self._client
        if not isinstance(outcome, Refusal):
            client.socket.allow_full_messages()
            return answer(outcome)
        answer(outcome)
        # Only the first token opens the session.
        if client.session is None and not outcome.code.retry:
            codes = client.close_codes
            expired = outcome.code is Code.TOKEN_EXPIRED
            code = codes.token_expired if expired else codes.token_refused
            client.socket.close(code, outcome.message)

    def _fail(self) -> None:
        client = self._client
        logging.getLogger(f"syncline.{client.protocol}").exception("an authentication failed")
        client.socket.close(CloseCode.INTERNAL_ERROR, "the server failed")

    def _adopt(self, principal: Principal, access: Access) -> None:
        client = self._client
        access.endpoint = self._endpoint_sid
        if client.session is None:
            self._deadline.cancel()
            self.identity = principal.identity
            client.backend.reachability.arrive(
                access.service_sid, principal.identity, self._endpoint_sid
            )
            client.session = Session(client.backend, access, client.send_event)
            client.writer.overflow = client.session
        holder = (self.identity, client.session.access.service_sid)
        if (principal.identity, access.service_sid) != holder:
            raise Refusal(
                Code.TOKEN_OF_ANOTHER, "The new token was issued for another identity or service."
            )
        client.session.adopt(access)
        client.key = principal.key
        self._timer.start(principal.expires_at)

    def _miss_deadline(self) -> None:
        self._client.backend.meters.limit_hits[Limit.AUTH_TIMEOUT] += 1
        self._client.refuse_late()


def _text(token: object) -> str:
    if not isinstance(token, str):
        raise Refusal(Code.TOKEN_INVALID, "The access token must be a string.")
    return token
