"""Lists in the vendor's v3 dialect.

The JavaScript SDK can read the context of a list, an undocumented object that applications give
when they create a list with a purpose. Syncline keeps no context: it is empty.
"""

from __future__ import annotations

from typing import Any

from syncline_protocol.commands import Get
from syncline_protocol.objects import LIST
from syncline_server.http.object_forms import LISTS
from syncline_server.http.reply_context import ReplyContext

from .api import Action, Call, Reply, Route, Steps
from .items import CollectionActions, collection_routes
from .objects import address_of, ask, object_path

__all__ = ["ROUTES"]


def _context(call: Call, where: ReplyContext) -> Steps:
    fetched = yield from ask(Get(address_of(call), type=LIST))
    context: dict[str, Any] = {"data": {}, "last_event_id": fetched.state.revision}
    return Reply(200, context)


ROUTES = (
    *collection_routes(CollectionActions(LISTS, context="Context")),
    Route(f"{object_path(LIST)}/Context", {"GET": Action(_context, has_body=False)}),
)
