"""What every HTTP exchange goes through, whichever route answers it; WebSockets pass untouched.

Plain ASGI, so that event streams pass unbuffered.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterable
from functools import partial
from random import getrandbits

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from syncline_protocol.errors import Code, Refusal
from syncline_server.auth.authenticator import claimed
from syncline_server.http.errors import REFUSED, refusal_reply
from syncline_server.http.routing import raw_path
from syncline_server.objects.work import WorkQueue
from syncline_server.observability.audit import Audit
from syncline_server.observability.logs import about
from syncline_server.observability.metrics import Meters

__all__ = [
    "ALWAYS_ANSWERED",
    "REQUEST_ID",
    "Crowd",
    "Recovery",
    "RequestIds",
    "make_request_id",
    "peer_of",
    "with_headers",
]

REQUEST_ID = "X-Request-Id"

ALWAYS_ANSWERED = ("/healthz", "/readyz", "/metrics")
"""Paths that are served in any crowd: who looks after the server must see what is going on."""

REQUEST_WORK = 700
"""Units of work of a request (`objects.work`) beside what its body and its objects cost."""

logger = logging.getLogger(__name__)

requests_logger = logging.getLogger("syncline.requests")
"""Tells of each request, at the level `debug`."""

PATH_LENGTH = 200
"""Characters of a path in a line about a refusal."""

_WELL_FORMED = re.compile(r"[A-Za-z0-9._:+/=-]{1,128}")


class RequestIds:
    """Gives each exchange an id, in its `X-Request-Id` and in what is logged of it.

    One that the caller, or a proxy, has given it stays, if it is well formed.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        request_id = _given_id(scope) or make_request_id()
        scope.setdefault("state", {})["request_id"] = request_id
        about(request=request_id, wire="rest", peer=peer_of(scope.get("client")))
        send = with_headers(send, [(REQUEST_ID, request_id)])
        if requests_logger.isEnabledFor(logging.DEBUG):
            send = _logging(scope, send)
        await self._app(scope, receive, send)


class Crowd:
    """Carries out so many requests at once, and counts them all; one that has begun its reply, as
    an event stream does, is under way no more."""

    def __init__(
        self, app: ASGIApp, limit: int, meters: Meters, audit: Audit, work: WorkQueue
    ) -> None:
        """`limit`: more requests are refused."""
        self._app = app
        self._limit = limit
        self._work = work
        self._audit = audit
        self._meters = meters
        self._tally = meters.wires["rest"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        self._tally.requests += 1
        if self._meters.requests >= self._limit and scope["path"] not in ALWAYS_ANSWERED:
            self._meters.bounds["max_requests"] += 1
            self._audit.turned_away(Code.UNAVAILABLE, _asked(scope), partial(_claims, scope))
            await self._refuse(scope, receive, send)
        else:
            await self._carry_out(scope, receive, send)
        if (code := scope.get("state", {}).get(REFUSED)) is not None:
            self._tally.refused[code] += 1
            self._audit.refused(code, _asked(scope), partial(_claims, scope))

    async def _carry_out(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._meters.requests += 1
        under_way = 1

        async def leaving_send(message: Message) -> None:
            nonlocal under_way
            self._meters.requests -= under_way
            under_way = 0
            await send(message)

        try:
            if scope["path"] not in ALWAYS_ANSWERED:
                # Many that come at once begin a few at a time: sockets are read in between.
                await self._work.turn(REQUEST_WORK)
            await self._app(scope, receive, leaving_send)
        finally:
            self._meters.requests -= under_way

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = Refusal(
            Code.UNAVAILABLE,
            f"The server is busy with {self._limit} requests; nothing was changed. Try again.",
        )
        await refusal_reply(Request(scope), refusal)(scope, receive, send)


class Recovery:
    """Answers what nobody expected with 500: the log gets the traceback, the caller does not.

    Starlette's own handler of this kind stands outside of all other middleware, so that its reply
    would lack their headers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def noting_send(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            await self._app(scope, receive, noting_send)
        except Exception:
            if started:
                raise  # too late for another reply; the server breaks the connection
            request_id = scope["state"]["request_id"]
            logger.exception("%s %s failed (%s)", scope["method"], scope["path"], request_id)
            reply = refusal_reply(
                Request(scope),
                Refusal(
                    Code.INTERNAL, f"An internal error; the server's log has more at {request_id}."
                ),
            )
            await reply(scope, receive, send)


def _given_id(scope: Scope) -> str | None:
    given = Headers(scope=scope).get(REQUEST_ID, "")
    return given if _WELL_FORMED.fullmatch(given) else None


def _asked(scope: Scope) -> str:
    """What was asked for; never the query, which may hold what is nobody's business."""
    return f"{scope['method']} {raw_path(scope).decode('latin-1')[:PATH_LENGTH]}"


def _claims(scope: Scope) -> dict[str, object]:
    """Who a caller says that it is; all that is known of one that proved nothing."""
    return {"key": claimed(Headers(scope=scope).get("authorization"))}


def peer_of(client: tuple[str, int] | None) -> str:
    """The address of a client, for logs; proxies tell no port."""
    host, port = client or ("unknown", 0)
    return f"{host}:{port}" if port else host


def _logging(scope: Scope, send: Send) -> Send:
    """`send`, with a line for the reply that begins."""
    began = time.monotonic()

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            requests_logger.debug(
                "%s %s",
                scope["method"],
                raw_path(scope).decode("latin-1"),
                extra={
                    "status": message["status"],
                    "code": scope["state"].get(REFUSED),
                    "seconds": round(time.monotonic() - began, 6),
                },
            )
        await send(message)

    return sending


def make_request_id() -> str:
    """`RQ` and 32 hexadecimal digits."""
    # No secret, but made for each request.
    return f"RQ{getrandbits(128):032x}"


def with_headers(send: Send, headers: Iterable[tuple[str, str]]) -> Send:
    """`send`, with these headers on the reply."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            reply = MutableHeaders(scope=message)
            for name, value in headers:
                reply.append(name, value)
        await send(message)

    return sending
