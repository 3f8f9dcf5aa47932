"""Streams and their messages in the vendor's v3 dialect."""

from __future__ import annotations

from syncline_protocol.errors import Code
from syncline_protocol.objects import STREAM
from syncline_protocol.streams import Publish
from syncline_server.http.object_forms import STREAMS
from syncline_server.http.reply_context import ReplyContext
from syncline_server.http.values import by_name, json_object

from .api import Action, Call, Reply, Route, Steps
from .objects import ObjectActions, address_of, ask, object_path, object_routes

__all__ = ["ROUTES"]


def _publish(call: Call, where: ReplyContext) -> Steps:
    given = by_name(call.members, {"Data": "Data", "data": "Data"}, is_strict=False)
    limit = call.limits.message_limit
    data = json_object(given.get("Data"), "Data", limit, Code.INVALID_MESSAGE)
    command = Publish(address_of(call), data=data, op=call.operation)
    published = (yield from ask(command)).state
    return Reply(201, {"sid": published.message_sid})


ROUTES = (
    *object_routes(ObjectActions(STREAMS)),
    Route(f"{object_path(STREAM)}/Messages", {"POST": Action(_publish)}),
)
