"""Routes of the vendor's v3 API, over either transport: from a request to commands to a reply."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.datastructures import Headers

from syncline_protocol.commands import Command
from syncline_server.http.preconditions import operation
from syncline_server.http.reply_context import ReplyContext
from syncline_server.realtime.results import Result

__all__ = [
    "VERSION",
    "Action",
    "Call",
    "Limits",
    "Reply",
    "Route",
    "Steps",
    "single",
]

VERSION = "/v3"
"""The prefix of all paths of the API."""

REQUEST_ID = "Twilio-Request-Id"
"""The header with the request's id. An SDK repeats a request with its id: an operation id."""


class Limits(Protocol):
    """Maximum bytes of data, as `Settings` has them."""

    @property
    def data_limit(self) -> int:
        """Of a document."""

    @property
    def item_limit(self) -> int:
        """Of an item."""

    @property
    def message_limit(self) -> int:
        """Of a message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request.

    Attributes:
        names: the path parameters of the route.
        query: still percent-encoded.
        headers: headers of the request.
        members: names and values in the JSON object of the body; empty without a body.
    """

    names: Mapping[str, str]
    query: bytes
    headers: Headers
    members: list[tuple[str, Any]]
    limits: Limits

    @property
    def operation(self) -> str | None:
        """The operation id; None without one. Raises `INVALID_PARAMETER`."""
        return operation(self.headers, REQUEST_ID)


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply; `body` is None for a reply without a body."""

    status: int
    body: Mapping[str, Any] | None = None


Steps = Generator[Command, Result, Reply]
"""Yields commands, receives their results or refusals, and returns the reply."""


@dataclass(frozen=True, slots=True)
class Action:
    """What one method does to the resources of a route.

    Attributes:
        steps: makes the steps of a call. They raise `Refusal` if the call is invalid.
        has_body: False if the body is ignored: the JavaScript SDK sends with DELETE a body that it
            labels as JSON but that is not JSON.
    """

    steps: Callable[[Call, ReplyContext], Steps]
    has_body: bool = True


def single(
    command: Callable[[Call], Command],
    reply: Callable[[Result, ReplyContext], Reply],
    *,
    has_body: bool = True,
) -> Action:
    """An action of one command."""

    def steps(call: Call, where: ReplyContext) -> Steps:
        result = yield command(call)
        return reply(result, where)

    return Action(steps, has_body)


@dataclass(frozen=True, slots=True)
class Route:
    """Resources of one path pattern; `pattern` follows `VERSION` or the service (`SCOPES`)."""

    pattern: str
    actions: Mapping[str, Action]
