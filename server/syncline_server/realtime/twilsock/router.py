"""The router of the v3 API: from a method and a path to an action."""

from __future__ import annotations

from syncline_protocol.errors import Code, Refusal
from syncline_protocol.fields import show
from syncline_server.http.routing import Pattern, decoded

from . import documents, lists, maps, streams
from .api import VERSION, Action

__all__ = ["ROUTES", "SCOPES", "find"]

ROUTES = (*documents.ROUTES, *lists.ROUTES, *maps.ROUTES, *streams.ROUTES)
"""The routes of all types of objects."""

SCOPES = (VERSION, f"{VERSION}/Services/{{service}}")
"""The prefixes of a route's pattern; without a service, the service is the token's."""

_TABLE = tuple(
    (Pattern(scope + route.pattern), route.actions) for route in ROUTES for scope in SCOPES
)


def find(method: str, path: str) -> tuple[Action, dict[str, str]]:
    """The action, and the path parameters of its route, decoded.

    Raises:
        Refusal: `NOT_FOUND`; `METHOD_NOT_ALLOWED`; `BAD_REQUEST` for a malformed path.
    """
    raw_path = path.encode()
    for pattern, actions in _TABLE:
        named = pattern.match(raw_path)
        if named is not None:
            if method in actions:
                return actions[method], decoded(named)
            allowed = ", ".join(actions)
            raise Refusal(
                Code.METHOD_NOT_ALLOWED,
                f"{show(method)} is not allowed on this resource; allowed are {allowed}.",
            )
    raise Refusal(Code.NOT_FOUND, f"The requested resource {show(path)} was not found.")
