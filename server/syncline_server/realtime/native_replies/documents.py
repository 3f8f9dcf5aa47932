"""Replies with documents."""

from __future__ import annotations

from typing import Any

from syncline_protocol import native
from syncline_protocol.commands import Command
from syncline_protocol.documents import Patch
from syncline_server.realtime.results import Fetched, Opened

from .objects import written

__all__ = ["document_reply"]


def document_reply(command: Command, result: Any) -> dict[str, Any]:
    """The reply to a command on a document."""
    match result:
        case Opened():
            body = native.document_body(result.state, data=not result.known)
            return {"created": result.created, "document": body}
        case Fetched(document):
            turn = {"turn": True} if result.in_turn else {}
            return {"document": native.document_body(document), **turn}
    has_data = isinstance(command, Patch) and result.state.data
    body = native.document_body(result.state, data=bool(has_data))
    return written(command, body, is_repeated=result.repeated)
