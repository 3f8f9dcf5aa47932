"""CORS (Fetch standard): which origins' pages may call the REST API from a browser."""

from __future__ import annotations

from collections.abc import Collection

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from syncline_server.http.headers import header

from .exchange import REQUEST_ID, with_headers

__all__ = ["CrossOrigin"]

METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"

REQUEST_HEADERS = (
    "Accept, Authorization, Cache-Control, Content-Type, Idempotency-Key, If-Match, "
    "If-Modified-Since, If-None-Match, If-Unmodified-Since, Last-Event-ID, Traceparent, "
    f"Tracestate, User-Agent, {REQUEST_ID}, X-Twilio-Client"
)
"""Headers that Syncline's clients send, and those that the vendor's API allows. A browser blocks a
whole request for one header that is missing here, even if the server would ignore that header."""

EXPOSED_HEADERS = (
    f"Accept-Patch, Allow, ETag, Idempotency-Replayed, {REQUEST_ID}, Retry-After, WWW-Authenticate"
)
"""Reply headers that pages may read, in addition to those that the Fetch standard allows."""

PREFLIGHT_AGE = 7200
"""Seconds for which a browser may cache a preflight; 7200 is Chromium's maximum."""


class CrossOrigin:
    """Lets pages of the configured origins read replies, and answers preflights.

    For `*` the reply carries the wildcard, not the caller's origin: with a wildcard, a browser lets
    no page read a reply to a request that used credentials remembered by the browser. (A form can
    still change data with them unread; `http.authentication` refuses that.) The vendor's API also
    sends `Access-Control-Allow-Credentials`. It is omitted here: browsers ignore it beside `*`.
    """

    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        """`origins`: as browsers send them, or `*` for all."""
        self._app = app
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        send = with_headers(send, self._headers(header(scope, b"origin")))
        if (
            scope["method"] == "OPTIONS"
            and header(scope, b"access-control-request-method") is not None
        ):
            preflight = Response(
                status_code=204, headers={"Access-Control-Max-Age": str(PREFLIGHT_AGE)}
            )
            await preflight(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _headers(self, origin: str | None) -> list[tuple[bytes, bytes]]:
        if "*" in self._origins:
            return _FOR_ALL
        if origin is None or origin not in self._origins:
            return [_VARIES]
        return [(_ALLOWED, origin.encode("latin-1")), _VARIES, _CREDENTIALS, *_PERMISSIONS]


_PERMISSIONS = [
    (b"access-control-allow-methods", METHODS.encode()),
    (b"access-control-allow-headers", REQUEST_HEADERS.encode()),
    (b"access-control-expose-headers", EXPOSED_HEADERS.encode()),
]

_ALLOWED = b"access-control-allow-origin"
_VARIES = (b"vary", b"Origin")
_CREDENTIALS = (b"access-control-allow-credentials", b"true")

_FOR_ALL = [(_ALLOWED, b"*"), *_PERMISSIONS]
