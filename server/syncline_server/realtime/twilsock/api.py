"""Routes of the vendor's v3 API, over either transport: from a request to a command to a reply."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import Headers

from syncline_protocol.commands import Command
from syncline_protocol.objects import Event
from syncline_server.http.reply_context import ReplyContext
from syncline_server.realtime.results import Result

__all__ = ["REQUEST_ID", "VERSION", "Action", "Call", "Dialect", "Reply", "Route"]

VERSION = "/v3"
"""The prefix of all paths of the API."""

REQUEST_ID = "Twilio-Request-Id"
"""The header with the request's id. An SDK repeats a request with its id: an operation id."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request.

    Attributes:
        names: the path parameters of the route.
        headers: headers of the request.
        members: names and values in the JSON object of the body; empty without a body.
        data_limit: bytes of data in an object, at most.
    """

    names: Mapping[str, str]
    headers: Headers
    members: list[tuple[str, Any]]
    data_limit: int


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply; `body` is None for a reply without a body."""

    status: int
    body: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Action:
    """What one method does to the resources of a route.

    Attributes:
        command: makes the command from the call; raises `Refusal` if the call is invalid.
        reply: makes the reply from the command's result.
        has_body: False if the body is ignored: the JavaScript SDK sends with DELETE a body that it
            labels as JSON but that is not JSON.
    """

    command: Callable[[Call], Command]
    reply: Callable[[Result, ReplyContext], Reply]
    has_body: bool = True


@dataclass(frozen=True, slots=True)
class Route:
    """Resources of one path pattern; `pattern` follows `VERSION` or the service (`SCOPES`)."""

    pattern: str
    actions: Mapping[str, Action]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """What one type of object adds to the protocol.

    Attributes:
        routes: of the objects of this type.
        describe: from an event to its type and payload in a notification.
        replay: from the newest state to the event that brings one subscriber to it.
    """

    routes: tuple[Route, ...]
    describe: Callable[[Any], tuple[str, Mapping[str, Any]]]
    replay: Callable[[Any], Event]
