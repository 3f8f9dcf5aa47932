"""Paths as they were sent: a percent-encoded slash in a unique name stays within its segment.

Starlette's own routes match the decoded path, where `a%2Fb` has become two segments.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, request_response
from starlette.types import Receive, Scope, Send

from . import urlencoded

__all__ = ["Endpoint", "Resource", "raw_path"]

Endpoint = Callable[[Request], Awaitable[Response]]
"""What answers a request; the segments that the pattern names are in its `path_params`, decoded."""


class Resource(BaseRoute):
    """A path and what its methods do.

    `HEAD` comes with `GET`, and `OPTIONS` with each; any other method is refused with 405 and the
    `Allow` header.
    """

    def __init__(self, pattern: str, endpoints: dict[str, Endpoint]) -> None:
        """
        Args:
            pattern: as in `/v1/Services/{service}`; a named segment is never empty.
            endpoints: by method.
        """
        self._segments = [segment.encode() for segment in pattern.split("/")]
        self._apps = {method: request_response(end) for method, end in endpoints.items()}
        if "GET" in self._apps:
            self._apps["HEAD"] = self._apps["GET"]
        self._allow = ", ".join([*self._apps, "OPTIONS"])
        self._apps["OPTIONS"] = request_response(self._options)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] != "http":
            return Match.NONE, {}
        segments = raw_path(scope).split(b"/")
        if len(segments) != len(self._segments):
            return Match.NONE, {}
        named: dict[str, bytes] = {}
        for expected, segment in zip(self._segments, segments, strict=True):
            if expected.startswith(b"{") and segment:
                named[expected.strip(b"{}").decode()] = segment
            elif expected != segment:
                return Match.NONE, {}
        return Match.FULL, {"path_params": named}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._apps.get(scope["method"])
        if app is None:
            raise HTTPException(405, headers={"Allow": self._allow})
        scope["path_params"] = {
            name: urlencoded.decode(segment, f"The {name} in the path")
            for name, segment in scope["path_params"].items()
        }
        await app(scope, receive, send)

    async def _options(self, _: Request) -> Response:
        return Response(status_code=204, headers={"Allow": self._allow})


def raw_path(scope: Scope) -> bytes:
    """The path as it was sent, without the query. (ASGI lets a server leave `raw_path` out.)"""
    raw: bytes | None = scope.get("raw_path")
    return raw if raw is not None else quote(scope["path"]).encode()
