"""Routes that match the undecoded path, so that unique names may contain slashes.

Starlette's own routes match the decoded path, in which `a%2Fb` has become two segments.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from syncline_server.observability.logs import about

from . import urlencoded
from .body import PATCH_TYPES

__all__ = ["Endpoint", "Pattern", "Route", "RouteTable", "decoded", "raw_path"]

Endpoint = Callable[[Request], Awaitable[Response]]
"""Answers a request; `path_params` has the decoded segments that the pattern names."""

_ROUTE = "syncline.route"
"""Member of a scope: the route that `RouteTable` has found."""

_LOGGED = {"service": "service", "document": "object", "object": "object", "item": "item"}
"""Named segments that are logged, and their names in the log."""


class Pattern:
    """A path pattern like `/v1/Services/{service}`; a named segment never matches ""."""

    def __init__(self, pattern: str) -> None:
        self._segments = [segment.encode() for segment in pattern.split("/")]

    @property
    def literals(self) -> dict[int, bytes]:
        """The segments that are not named, by their places."""
        return {
            place: segment
            for place, segment in enumerate(self._segments)
            if not segment.startswith(b"{")
        }

    @property
    def length(self) -> int:
        """Number of segments."""
        return len(self._segments)

    def match(self, path: bytes) -> dict[str, bytes] | None:
        """The named segments, still percent-encoded; None if the path does not match."""
        segments = path.split(b"/")
        if len(segments) != len(self._segments):
            return None
        named: dict[str, bytes] = {}
        for expected, segment in zip(self._segments, segments, strict=True):
            if expected.startswith(b"{") and segment:
                named[expected.strip(b"{}").decode()] = segment
            elif expected != segment:
                return None
        return named


def decoded(named: Mapping[str, bytes]) -> dict[str, str]:
    """Named segments, percent-decoded. Raises as `urlencoded.decode`."""
    return {
        name: urlencoded.decode(segment, f"The {name} in the path")
        for name, segment in named.items()
    }


class Route(BaseRoute):
    """A path with an endpoint for each method.

    `GET` also serves `HEAD`, and every route serves `OPTIONS`. Any other method is refused with 405
    and the `Allow` header.
    """

    def __init__(self, pattern: str, endpoints: dict[str, Endpoint]) -> None:
        """
        Args:
            pattern: as for `Pattern`.
            endpoints: the endpoint of each method.
        """
        self.pattern = Pattern(pattern)
        self._found = {"pattern": pattern}
        self._endpoints = dict(endpoints)
        if "GET" in self._endpoints:
            self._endpoints["HEAD"] = self._endpoints["GET"]
        self._allow = ", ".join([*self._endpoints, "OPTIONS"])
        self._options_headers = {"Allow": self._allow}
        if "PATCH" in self._endpoints:
            self._options_headers["Accept-Patch"] = ", ".join(PATCH_TYPES)
        self._endpoints["OPTIONS"] = self._options

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] != "http":
            return Match.NONE, {}
        named = self.pattern.match(raw_path(scope))
        return (
            (Match.NONE, {})
            if named is None
            else (Match.FULL, {"path_params": named, **self._found})
        )

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._endpoints.get(scope["method"])
        if endpoint is None:
            raise HTTPException(405, headers={"Allow": self._allow})
        named = scope["path_params"] = decoded(scope["path_params"])
        about(**{_LOGGED[name]: value for name, value in named.items() if name in _LOGGED})
        response = await endpoint(Request(scope, receive, send))
        await response(scope, receive, send)

    async def _options(self, _: Request) -> Response:
        return Response(status_code=204, headers=self._options_headers)


class RouteTable(BaseRoute):
    """Many routes, of which one is found by the segments of the path, not by a search through all.

    Where several match, the first of them is chosen, as in a list of routes.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        # By the number of segments, and the places of those that are not named: the routes by the
        # values of these, in their order.
        self._routes: dict[int, dict[tuple[int, ...], dict[tuple[bytes, ...], list[int]]]] = {}
        self._all = list(routes)
        for number, route in enumerate(self._all):
            literals = route.pattern.literals
            shapes = self._routes.setdefault(route.pattern.length, {})
            found = shapes.setdefault(tuple(literals), {})
            found.setdefault(tuple(literals.values()), []).append(number)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] != "http":
            return Match.NONE, {}
        segments = raw_path(scope).split(b"/")
        candidates: list[int] = []
        for places, found in self._routes.get(len(segments), {}).items():
            candidates += found.get(tuple([segments[place] for place in places]), ())
        for number in sorted(candidates):
            route = self._all[number]
            match, child = route.matches(scope)
            if match is Match.FULL:
                return match, {**child, _ROUTE: route}
        return Match.NONE, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await scope[_ROUTE].handle(scope, receive, send)


def raw_path(scope: Scope) -> bytes:
    """The path as the client sent it, without the query. (`raw_path` is optional in ASGI.)"""
    raw: bytes | None = scope.get("raw_path")
    return raw if raw is not None else quote(scope["path"]).encode()
