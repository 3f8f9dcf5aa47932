"""A request of the vendor's v3 API, whichever transport brought it: which command, which reply."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import Headers

from syncline_protocol.commands import Command
from syncline_server.http.reply_context import ReplyContext
from syncline_server.realtime.results import Result

__all__ = ["REQUEST_ID", "VERSION", "Action", "Call", "Reply", "Route"]

VERSION = "/v3"
"""What the paths of the API begin with."""

REQUEST_ID = "Twilio-Request-Id"
"""The SDKs repeat a request under the same id, so it serves as the operation id."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request.

    Attributes:
        names: the segments of its path that the route names.
        headers: those that it has.
        members: names and values in the JSON object that is its body; none without a body.
        data_limit: bytes in a document, at most.
    """

    names: Mapping[str, str]
    headers: Headers
    members: list[tuple[str, Any]]
    data_limit: int


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered; `body` None for nothing."""

    status: int
    body: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Action:
    """What one method does to the resources of a route.

    Attributes:
        command: reads the call; raises `Refusal` where something is wrong with it.
        reply: what the command's result is as a reply, in these surroundings.
        has_body: False where the body is not to be looked at: the JavaScript SDK sends with
            DELETE what it labels as JSON and is none.
    """

    command: Callable[[Call], Command]
    reply: Callable[[Result, ReplyContext], Reply]
    has_body: bool = True


@dataclass(frozen=True, slots=True)
class Route:
    """Resources whose paths have one form; `pattern` is what follows `VERSION` or the service."""

    pattern: str
    actions: Mapping[str, Action]
