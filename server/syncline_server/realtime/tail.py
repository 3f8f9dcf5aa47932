"""`/v1/Events`: the events of all objects as they happen, for operators who look on."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from syncline_protocol import native
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.objects import TYPES, Event, type_of_sid
from syncline_protocol.sids import is_sid
from syncline_server.auth.authenticator import revoked
from syncline_server.auth.principal import Principal
from syncline_server.backend import Backend
from syncline_server.http import Route
from syncline_server.http.authentication import require_account
from syncline_server.http.middleware.exchange import peer_of
from syncline_server.http.unknown_names import check_query
from syncline_server.http.values import query_value
from syncline_server.observability.metrics import Limit, Load
from syncline_server.observability.rate_limit import TokenBucket
from syncline_server.pubsub.published import Published
from syncline_server.pubsub.tails import make_subscriber
from syncline_server.storage.events import parse_event
from syncline_server.storage.notices import Notice
from syncline_server.storage.rights import Right, RightsChanged
from syncline_server.storage.services import unknown_service

from .admission import Admission
from .connections import ConnectionRegistry, Description

__all__ = ["FILTERS", "PATH", "routes"]

PATH = "/v1/Events"

FILTERS = ("Service", "Type", "Object")
"""Query parameters: a service's SID or unique name; the plural of a type; an object's SID."""

WAITING_LIMIT = 1_048_576
"""Bytes that wait for the reader of a tail, at most; further events are only counted."""

REPORT_INTERVAL = 1.0
"""Seconds between two reports of events that were left out."""

_HEADERS = {
    "Cache-Control": "no-store",
    # Asks nginx not to buffer the stream.
    "X-Accel-Buffering": "no",
}


def routes(backend: Backend, connections: ConnectionRegistry, admission: Admission) -> list[Route]:
    """The route of tails."""
    tails: set[_Tail] = set()
    limit = backend.settings.max_tails

    async def events(request: Request) -> Response:
        caller = await require_account(backend, request)
        service_sid, sid = await _filters(backend, request)
        refusal = admission.check()
        if refusal is not None:
            raise refusal
        if len(tails) >= limit:
            backend.meters.limit_hits[Limit.MAX_TAILS] += 1
            raise Refusal(
                Code.TOO_MANY_REQUESTS, f"This process has {limit} tails already, the maximum."
            )
        tail = _Tail(caller, backend, connections, tails)
        tail.peer = peer_of(request.client)
        await tail.open(service_sid, sid)
        return tail

    return [Route(PATH, {"GET": events})]


async def _filters(backend: Backend, request: Request) -> tuple[str | None, str]:
    """The SID of the service, None for all; and a SID, or the beginning of SIDs."""
    given = check_query(request, FILTERS)
    service, plural, sid = (query_value(given, name, Code.INVALID_PARAMETER) for name in FILTERS)
    found = await backend.services.find(service) if service else None
    if service and found is None:
        raise unknown_service(service)
    prefixes = {each.plural: each.prefix for each in TYPES}
    if plural and plural.lower() not in prefixes:
        raise Refusal(Code.INVALID_PARAMETER, f"Type must be one of {', '.join(prefixes)}.")
    if sid and not (is_sid(sid) and sid[:2] in prefixes.values()):
        raise Refusal(Code.INVALID_PARAMETER, "Object must be the SID of an object.")
    wanted = sid or (prefixes[plural.lower()] if plural else "")
    return None if found is None else found.sid, wanted


class _Tail(StreamingResponse):
    """The response with the events. To the registry it is a connection like others."""

    def __init__(
        self,
        caller: Principal,
        backend: Backend,
        connections: ConnectionRegistry,
        tails: set[_Tail],
    ) -> None:
        """`tails`: all of this process; this one is in it while it is open."""
        super().__init__(self._chunks(), media_type="text/event-stream", headers=_HEADERS)
        self.peer: str | None = None
        self._caller = caller
        self._confirm = partial(backend.authenticator.confirm, caller)
        self._connections = connections
        self._tails = tails
        self._limit_hits = backend.meters.limit_hits
        self._heartbeat = backend.settings.sse_heartbeat
        self._bucket = TokenBucket(backend.settings.tail_rate, asyncio.get_running_loop().time)
        self._subscriber = make_subscriber(
            backend.redis, backend.settings.redis_timeout, self._on_published, self._on_gap
        )
        self._frames: deque[bytes] = deque()
        self._waiting = 0
        self._left_out = 0
        self._filled = asyncio.Event()
        self._ended = False

    async def open(self, service_sid: str | None, sid: str) -> None:
        """Subscribe. Raises as `TailSubscriber.open`, and if the key was revoked meanwhile."""
        # Before the first await: two requests at once must not both get the last place.
        self._tails.add(self)
        try:
            await self._subscriber.open(service_sid, sid)
            # From here to `add` there is no await, and then `evict` ends the tail of a revoked key.
            self._confirm()
        except BaseException:
            self._end()
            raise
        self._connections.add(self)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream, and unsubscribe when it ends in any way."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._connections.remove(self)
            self._end()

    @property
    def key(self) -> str | None:
        """As in `LiveConnection`."""
        return self._caller.key

    def evict(self) -> None:
        """As in `LiveConnection`."""
        self._close(revoked(login=True))

    def drain(self) -> None:
        """As in `LiveConnection`."""
        self._close(Refusal(Code.UNAVAILABLE, "The server is shutting down."))

    def disconnect(self) -> None:
        """As in `LiveConnection`."""
        self._close(Refusal(Code.UNAVAILABLE, "An operator has closed this stream."))

    def load(self) -> Load:
        """As in `LiveConnection`."""
        return Load("sse", 0, 0, self._waiting)

    def describe(self) -> Description:
        """As in `LiveConnection`."""
        return Description(
            identity=self._caller.identity,
            service_sid=None,
            wire="tail",
            peer=self.peer,
            key=self.key,
            opened=[],
            open_count=0,
            in_flight=0,
            waiting=self._waiting,
            is_slow=self._left_out > 0,
        )

    async def _chunks(self) -> AsyncIterator[bytes]:
        yield _chunk("open", {})
        clock = asyncio.get_running_loop().time
        next_beat = clock() + self._heartbeat
        while True:
            try:
                async with asyncio.timeout(REPORT_INTERVAL):
                    await self._filled.wait()
            except TimeoutError:
                pass
            while self._frames:
                frame = self._frames.popleft()
                self._waiting -= len(frame)
                yield frame
            self._filled.clear()
            if self._left_out:
                count, self._left_out = self._left_out, 0
                yield _chunk("missed", {"count": count})
            if self._ended:
                return
            if clock() >= next_beat:
                # Redis must have answered the last PING, by anything.
                self._check()
                self._subscriber.ping()
                next_beat = clock() + self._heartbeat
                yield b":\n\n"
            elif not self._subscriber.is_open:
                self._check()

    def _check(self) -> None:
        if not (self._subscriber.is_open and self._subscriber.has_answered):
            self._close(Refusal(Code.UNAVAILABLE, "The store's events do not come. Try again."))

    def _on_gap(self) -> None:
        # While events are left out, their count says enough.
        if not self._ended and self._waiting < WAITING_LIMIT:
            self._add(_chunk("missed", {"count": None}))

    def _on_published(self, published: Published) -> None:
        if self._ended:
            return
        if not self._bucket.admit() or self._waiting >= WAITING_LIMIT:
            self._left_out += 1
            self._limit_hits[Limit.TAIL_RATE] += 1
            return
        try:
            event = parse_event(published.payload)
        except (LookupError, TypeError, ValueError):
            return  # a later version has published it
        if isinstance(event, RightsChanged):
            name, members = "permission", _permission(event)
        elif isinstance(event, Notice):
            return  # it is for servers
        elif published.is_creation:
            name, members = "created", _creation(event)
        else:
            name, members = native.event_name(event), native.event_members(event)
        self._add(_chunk(name, {"service_sid": published.service_sid, **members}))

    def _add(self, frame: bytes) -> None:
        self._frames.append(frame)
        self._waiting += len(frame)
        self._filled.set()

    def _close(self, refusal: Refusal) -> None:
        if not self._ended:
            self._end()
            body = native.error_body(refusal)
            self._add(_chunk("closing", {n: body[n] for n in ("code", "message", "retry")}))

    def _end(self) -> None:
        self._ended = True
        self._subscriber.close()
        self._tails.discard(self)


def _permission(changed: RightsChanged) -> dict[str, Any]:
    return {
        type_of_sid(changed.sid).name: {"sid": changed.sid},
        "identity": changed.identity,
        **{
            name: right in changed.rights
            for name, right in (
                ("read", Right.READ),
                ("write", Right.WRITE),
                ("manage", Right.MANAGE),
            )
        },
    }


def _creation(event: Event) -> dict[str, Any]:
    """The members of the update as which a creation is published, with the names of a creation."""
    body = dict(native.event_body(event))
    date, by, _ = (body.pop(each) for each in ("date_updated", "updated_by", "previous_revision"))
    return {type_of_sid(event.sid).name: {**body, "date_created": date, "created_by": by}}


def _chunk(name: str, body: dict[str, Any]) -> bytes:
    """One event (WHATWG HTML, 9.2.5). This JSON has no line breaks, so `data` is one line."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), orjson.dumps(body))
