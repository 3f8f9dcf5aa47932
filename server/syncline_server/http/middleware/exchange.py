"""Request ids, the limit of concurrent requests, and replies to unexpected exceptions.

These are plain ASGI middleware, so that event streams pass unbuffered. WebSockets pass untouched.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterable
from functools import partial
from random import getrandbits

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from syncline_protocol.errors import Code, Refusal
from syncline_server.auth.authenticator import claimed
from syncline_server.http.errors import REFUSED, refusal_reply
from syncline_server.http.headers import header
from syncline_server.http.routing import raw_path
from syncline_server.objects.work import WorkQueue
from syncline_server.observability.audit import Audit
from syncline_server.observability.logs import about
from syncline_server.observability.metrics import Limit, Meters

from .console_changes import audit_change

__all__ = [
    "ALWAYS_ANSWERED",
    "REQUEST_ID",
    "RequestLimit",
    "Recovery",
    "RequestIds",
    "make_request_id",
    "peer_of",
    "with_headers",
]

REQUEST_ID = "X-Request-Id"
_REQUEST_ID = REQUEST_ID.lower().encode()

ALWAYS_ANSWERED = ("/healthz", "/readyz", "/metrics")
"""Paths that are exempt from `max_requests`: probes and scrapes must work on a busy server."""

REQUEST_WORK = 700
"""Fixed cost of a request in units of work (`objects.work`); its body and objects come on top."""

logger = logging.getLogger(__name__)

requests_logger = logging.getLogger("syncline.requests")
"""Logs each request at level `debug`."""

PATH_LENGTH = 200
"""Maximum characters of a path in an audit line."""

_WELL_FORMED = re.compile(r"[A-Za-z0-9._:+/=-]{1,128}")


class RequestIds:
    """Gives each request an id, in the `X-Request-Id` of its reply and in its log lines.

    A well-formed `X-Request-Id` of the request, from the client or a proxy, is kept.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        request_id = _given_id(scope) or make_request_id()
        scope.setdefault("state", {})["request_id"] = request_id
        about(request=request_id, wire="rest", peer=peer_of(scope.get("client")))
        send = with_headers(send, [(_REQUEST_ID, request_id.encode())])
        if requests_logger.isEnabledFor(logging.DEBUG):
            send = _logging(scope, send)
        await self._app(scope, receive, send)


class RequestLimit:
    """Limits and counts concurrent requests. A request stops counting when its reply begins, so an
    open event stream does not occupy a place."""

    def __init__(
        self, app: ASGIApp, *, limit: int, meters: Meters, audit: Audit, work: WorkQueue
    ) -> None:
        """`limit`: concurrent requests; further ones are refused with 503."""
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
            self._meters.limit_hits[Limit.MAX_REQUESTS] += 1
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
            # Only the first message frees the place: afterwards `under_way` is 0, also for the
            # `finally` below, which covers requests that end without a reply.
            nonlocal under_way
            self._meters.requests -= under_way
            under_way = 0
            if message["type"] == "http.response.start":
                audit_change(self._audit, scope, message["status"])
            await send(message)

        try:
            if scope["path"] not in ALWAYS_ANSWERED:
                # A burst of requests begins a few per turn of the loop, so that sockets are read in
                # between.
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
    """Answers unexpected exceptions with 500. The traceback goes to the log, not to the client.

    Starlette's own handler runs outside all other middleware: its reply would lack their headers.
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
                raise  # too late for another reply: uvicorn closes the connection
            request_id = scope["state"]["request_id"]
            logger.exception("%s %s failed (%s)", scope["method"], scope["path"], request_id)
            reply = refusal_reply(
                Request(scope),
                Refusal(
                    Code.INTERNAL, f"Internal error; the server's log has details at {request_id}."
                ),
            )
            await reply(scope, receive, send)


def _given_id(scope: Scope) -> str | None:
    given = header(scope, _REQUEST_ID)
    return given if given is not None and _WELL_FORMED.fullmatch(given) else None


def _asked(scope: Scope) -> str:
    """Method and path for the audit log, without the query, which may hold private data."""
    return f"{scope['method']} {raw_path(scope).decode('latin-1')[:PATH_LENGTH]}"


def _claims(scope: Scope) -> dict[str, object]:
    """The account or API key that the request names, unverified, for the audit log."""
    return {"key": claimed(header(scope, b"authorization"))}


def peer_of(client: tuple[str, int] | None) -> str:
    """The address of a client, for logs. Without a port if a proxy named the client."""
    host, port = client or ("unknown", 0)
    return f"{host}:{port}" if port else host


def _logging(scope: Scope, send: Send) -> Send:
    """A `send` that logs the request when its reply begins."""
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
    # Not a secret, so the fast generator will do.
    return f"RQ{getrandbits(128):032x}"


def with_headers(send: Send, headers: Iterable[tuple[bytes, bytes]]) -> Send:
    """A `send` that adds these headers to the reply; their names in lower case."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *headers]
        await send(message)

    return sending
