"""Replies with the header of an object, for types without data of their own."""

from __future__ import annotations

from typing import Any

from syncline_protocol import native
from syncline_protocol.commands import Command, Remove
from syncline_server.realtime.results import Fetched, Opened

__all__ = ["object_reply", "repetition", "written"]


def object_reply(command: Command, result: Any) -> dict[str, Any]:
    """The reply to a command that every type has."""
    name = command.type.name
    match result:
        case Opened():
            return {"created": result.created, name: native.header_body(result.state)}
        case Fetched():
            return {name: native.header_body(result.state)}
    return written(command, native.header_body(result.header), is_repeated=result.repeated)


def written(command: Command, body: dict[str, Any], *, is_repeated: bool) -> dict[str, Any]:
    """The reply to a write of an object as a whole, which looks like `body` after it."""
    if isinstance(command, Remove):
        body = {name: body[name] for name in ("sid", "unique_name", "revision")}
    return {command.type.name: body} | repetition(is_repeated)


def repetition(is_repeated: bool) -> dict[str, Any]:
    """What a reply says of a write that had been applied before."""
    return {"repeated": True} if is_repeated else {}
