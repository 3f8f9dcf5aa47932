"""The replies of the native protocol (docs/protocol.md, section 3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from syncline_protocol.commands import Command
from syncline_protocol.item_types import ITEM_TYPES
from syncline_protocol.objects import DOCUMENT, STREAM
from syncline_server.realtime.results import Result, Unsubscribed

from .documents import document_reply
from .items import error_details, item_reply
from .streams import stream_reply

__all__ = ["error_details", "reply_body"]


def reply_body(command: Command, result: Result) -> dict[str, Any]:
    """The `ok` member of a reply."""
    if isinstance(result, Unsubscribed):
        return {}
    return _REPLIES[command.type.name](command, result)


_REPLIES: Mapping[str, Callable[[Command, Any], dict[str, Any]]] = {
    DOCUMENT.name: document_reply,
    **{each.type.name: item_reply for each in ITEM_TYPES.values()},
    STREAM.name: stream_reply,
}
"""By the name of the command's type."""
