"""Cross-origin calls from browsers: the CORS protocol of the Fetch standard."""

from __future__ import annotations

from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from .exchange import REQUEST_ID, with_headers

__all__ = ["CrossOrigin"]

METHODS = "GET, HEAD, POST, PATCH, DELETE, OPTIONS"

REQUEST_HEADERS = (
    "Accept, Authorization, Cache-Control, Content-Type, Idempotency-Key, If-Match, "
    "If-Modified-Since, If-None-Match, If-Unmodified-Since, Last-Event-ID, Traceparent, "
    f"Tracestate, User-Agent, {REQUEST_ID}, X-Twilio-Client"
)
"""What Syncline's clients send, and what the vendor's API lets pages send. A browser refuses a
whole request for one header that is not named here, whether or not the server looks at it."""

EXPOSED_HEADERS = (
    f"Accept-Patch, Allow, ETag, Idempotency-Replayed, {REQUEST_ID}, Retry-After, WWW-Authenticate"
)
"""Those of our replies that pages may read beside what the Fetch standard lets them read."""

PREFLIGHT_AGE = 7200
"""Seconds for which a browser may remember the answer to a preflight; Chromium caps it there."""


class CrossOrigin:
    """Marks replies as readable from the origins of the settings, and answers preflights.

    With `*` the wildcard is sent rather than the caller's origin: browsers then let no page read
    what they asked for with credentials that they remember. (What pages change with these without
    reading, by forms, is for `caller` to refuse.) The header that would allow them, which the
    vendor's API has, is left out: together the two mean nothing.
    """

    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        """`origins`: as browsers send them, or `*` for every one."""
        self._app = app
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Headers(scope=scope)
        send = with_headers(send, self._headers(request.get("origin")))
        if scope["method"] == "OPTIONS" and "access-control-request-method" in request:
            preflight = Response(
                status_code=204, headers={"Access-Control-Max-Age": str(PREFLIGHT_AGE)}
            )
            await preflight(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _headers(self, origin: str | None) -> list[tuple[str, str]]:
        if "*" in self._origins:
            return _FOR_ALL
        varies = ("Vary", "Origin")
        if origin not in self._origins:
            return [varies]
        return [("Access-Control-Allow-Origin", origin), varies, _CREDENTIALS, *_PERMISSIONS]


_PERMISSIONS = [
    ("Access-Control-Allow-Methods", METHODS),
    ("Access-Control-Allow-Headers", REQUEST_HEADERS),
    ("Access-Control-Expose-Headers", EXPOSED_HEADERS),
]

_CREDENTIALS = ("Access-Control-Allow-Credentials", "true")

_FOR_ALL = [("Access-Control-Allow-Origin", "*"), *_PERMISSIONS]
