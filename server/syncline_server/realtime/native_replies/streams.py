"""Replies with streams and their messages."""

from __future__ import annotations

from typing import Any

from syncline_protocol.commands import Command
from syncline_protocol.streams import Publish

from .objects import object_reply, repetition

__all__ = ["stream_reply"]


def stream_reply(command: Command, result: Any) -> dict[str, Any]:
    """The reply to a command on a stream."""
    if not isinstance(command, Publish):
        return object_reply(command, result)
    published = result.state
    return {"message": {"sid": published.message_sid}} | repetition(published.repeated)
