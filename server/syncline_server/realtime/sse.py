"""One object as a stream of server-sent events (docs/protocol.md, section 9)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from syncline_protocol import native
from syncline_protocol.commands import Open
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.objects import (
    DOCUMENT,
    TYPES,
    Event,
    ObjectType,
    Removed,
    type_of_sid,
)
from syncline_server.auth.authenticator import revoked
from syncline_server.auth.principal import Principal
from syncline_server.backend import Backend
from syncline_server.http import Route
from syncline_server.http.authentication import authenticate
from syncline_server.http.middleware.exchange import peer_of
from syncline_server.objects.access import Access
from syncline_server.observability.logs import about
from syncline_server.observability.metrics import Load

from .admission import Admission
from .connections import OPEN_SHOWN, ConnectionRegistry, Description
from .native_replies import reply_body
from .results import Opened, Result
from .send_queue import QueueLimits, SendQueue
from .session import Session
from .sse_requests import read_request
from .timer_wheel import TimerWheel
from .token_expiry import TokenTimer

__all__ = ["routes"]

_HEADERS = {
    "Cache-Control": "no-store",
    # Asks nginx not to buffer the stream.
    "X-Accel-Buffering": "no",
}


def routes(
    backend: Backend, connections: ConnectionRegistry, admission: Admission, timers: TimerWheel
) -> list[Route]:
    """The paths of event streams, one for each type."""

    def route(type_: ObjectType) -> Route:
        async def events(request: Request) -> Response:
            about(wire="sse")
            refusal = admission.check()
            if refusal is not None:
                raise refusal
            principal = await authenticate(backend, request)
            access = await Access.enter(backend, principal, request.path_params["service"])
            stream = _Stream(
                access, principal, backend=backend, connections=connections, timers=timers
            )
            stream.peer = peer_of(request.client)
            await stream.open(read_request(request, type_))
            return stream

        path = f"/v1/Services/{{service}}/{type_.plural.capitalize()}/{{object}}/Events"
        return Route(path, {"GET": events})

    return [route(type_) for type_ in TYPES]


class _Stream(StreamingResponse):
    """The response with the events of one object.

    It ends when the object is removed, the token expires or the server stops.
    """

    def __init__(
        self,
        access: Access,
        principal: Principal,
        *,
        backend: Backend,
        connections: ConnectionRegistry,
        timers: TimerWheel,
    ) -> None:
        super().__init__(self._chunks(), media_type="text/event-stream", headers=_HEADERS)
        self._confirm = partial(backend.authenticator.confirm, principal)
        self._principal = principal
        self._heartbeat = backend.settings.sse_heartbeat
        self._tally = backend.meters.wires["sse"]
        self._connections = connections
        self._session = Session(backend, access, self._send_event)
        self._send_queue = SendQueue(QueueLimits.of(backend.settings), self._session)
        self._token_timer = TokenTimer(
            timers, backend.settings.token_leeway, lambda _: None, self._expire_token
        )
        self._ended = False
        self.peer: str | None = None

    async def open(self, command: Open) -> None:
        """Subscribe.

        Raises:
            Refusal: there is no such object, Redis is away, or the key was revoked meanwhile.
        """
        opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def answer(outcome: Result | Refusal) -> None:
            # The state is queued here, within the reply, so that no event gets ahead of it.
            if isinstance(outcome, Refusal):
                opened.set_exception(outcome)
            elif isinstance(outcome, Opened):
                if not outcome.known:
                    self._send_queue.add_frame(_state(command, outcome))
                opened.set_result(None)

        self._session.pause_replay()
        self._session.submit(command, answer)
        try:
            await opened
            # The key may have been revoked during the awaits. From here to `add` there is none,
            # and then `evict` ends the stream of a revoked key.
            self._confirm()
        except BaseException:
            self._session.close()
            raise
        self._token_timer.start(self._principal.expires_at)
        self._tally.connections += 1
        self._connections.add(self)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream, and end the session when it ends in any way."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._connections.remove(self)
            self._token_timer.stop()
            self._session.close()

    @property
    def key(self) -> str | None:
        """As in `LiveConnection`."""
        return self._principal.key

    def evict(self) -> None:
        """End the stream: the API key of the client was revoked."""
        self._close(revoked(login=self._principal.is_account))

    def drain(self) -> None:
        """End the stream with `UNAVAILABLE`; the client then reconnects."""
        self._close(Refusal(Code.UNAVAILABLE, "The server is shutting down."))

    def disconnect(self) -> None:
        """End the stream; the client may open another."""
        self._close(Refusal(Code.UNAVAILABLE, "An operator has closed this stream."))

    def describe(self) -> Description:
        """As in `LiveConnection`."""
        return Description(
            identity=self._principal.identity,
            service_sid=self._session.access.service_sid,
            wire="sse",
            peer=self.peer,
            key=self.key,
            opened=self._session.opened(OPEN_SHOWN),
            open_count=self._session.subscriptions,
            in_flight=0,
            waiting=self._send_queue.size,
            is_slow=not self._send_queue.empty,
        )

    def load(self) -> Load:
        """The client's current use of resources, without the buffers of uvicorn."""
        return Load("sse", self._session.subscriptions, 0, self._send_queue.size)

    async def _chunks(self) -> AsyncIterator[bytes]:
        while not (self._ended and self._send_queue.empty):
            if self._send_queue.empty:
                # The client has read all, so it may get more of what it lacks.
                self._session.resume_replay()
            try:
                async with asyncio.timeout(self._heartbeat):
                    chunk = await self._send_queue.wait_for_frame()
            except TimeoutError:
                chunk = b":\n\n"
            self._session.pause_replay()
            yield chunk

    def _send_event(self, event: Event) -> None:
        self._tally.events += 1
        self._tally.conflated += self._send_queue.add_event(event, event.encoded(_encode), _encode)
        self._ended = self._ended or isinstance(event, Removed)

    def _expire_token(self) -> None:
        self._close(Refusal(Code.TOKEN_EXPIRED, "The access token has expired."))

    def _close(self, refusal: Refusal) -> None:
        if not self._ended:
            self._ended = True
            # A slow client reads on for a while, but must get no event from after this (promise 6).
            self._session.close()
            body = native.error_body(refusal)
            self._send_queue.add_frame(
                _chunk("closing", {n: body[n] for n in ("code", "message", "retry")})
            )


def _state(command: Open, opened: Opened[Any]) -> bytes:
    """The first event: the object, as the native protocol replies to `open`."""
    if command.type is DOCUMENT:
        return _chunk("state", native.document_body(opened.state), opened.state.revision)
    body = reply_body(command, opened)
    del body["created"]
    replay = opened.replay
    more_since = None if replay is None else replay.more_since
    return _chunk("state", body, more_since or opened.state.revision)


def _encode(event: Event) -> bytes:
    is_of_document = type_of_sid(event.sid) is DOCUMENT
    body = native.event_body(event) if is_of_document else native.event_members(event)
    # What moves no revision has no id: the client would resume from there.
    return _chunk(native.event_name(event), body, event.revision if event.is_stored else None)


def _chunk(name: str, body: dict[str, Any], revision: int | None = None) -> bytes:
    """One event (WHATWG HTML, 9.2.5). This JSON has no line breaks, so `data` is one line."""
    identifier = b"" if revision is None else b"id: %d\n" % revision
    return b"event: %b\n%bdata: %b\n\n" % (name.encode(), identifier, orjson.dumps(body))
