"""Documents in the vendor's v3 dialect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from syncline_protocol import native
from syncline_protocol.commands import Create, Get, Remove, SetTtl
from syncline_protocol.documents import Document, Set
from syncline_protocol.objects import DOCUMENT
from syncline_server.http.document_parameters import DocumentParameters
from syncline_server.http.preconditions import if_match
from syncline_server.http.reply_context import ReplyContext
from syncline_server.realtime.results import Fetched, Result
from syncline_server.storage.results import Written, sid_forbidden

from .api import Call, Reply, Route, single
from .objects import no_body, object_url

__all__ = ["ROUTES"]


def _create(call: Call) -> Create:
    given = DocumentParameters.of(call.members, call.limits.data_limit, is_strict=False)
    if given.sid is not None:
        raise sid_forbidden(DOCUMENT)
    return Create(given.unique_name, given.data or b"{}", ttl=given.ttl, op=call.operation)


def _fetch(call: Call) -> Get:
    return Get(call.names["document"])


def _update(call: Call) -> Set | SetTtl:
    given = DocumentParameters.of(call.members, call.limits.data_limit, is_strict=False)
    return given.update(call.names["document"], if_match(call.headers), call.operation)


def _remove(call: Call) -> Remove:
    return Remove(call.names["document"], if_match=if_match(call.headers), op=call.operation)


def _describing(status: int, *, data: bool) -> Callable[[Result, ReplyContext], Reply]:
    """Makes replies with a document; for writes without `data`, which an SDK would refuse."""

    def reply(result: Result, where: ReplyContext) -> Reply:
        assert isinstance(result, Fetched | Written)
        document = result.state if isinstance(result, Fetched) else result.state
        return Reply(status, _resource(document, where, data=data))

    return reply


def _resource(document: Document, where: ReplyContext, *, data: bool) -> dict[str, Any]:
    url = object_url(where, DOCUMENT, document.sid)
    return native.document_body(document, data=data) | {
        "account_sid": where.account_sid,
        "service_sid": where.service_sid,
        "url": url,
        "links": {"permissions": f"{url}/Permissions"},
        "last_event_id": document.revision,
    }


ROUTES = (
    Route("/Documents", {"POST": single(_create, _describing(201, data=False))}),
    Route(
        "/Documents/{document}",
        {
            "GET": single(_fetch, _describing(200, data=True), has_body=False),
            "POST": single(_update, _describing(200, data=False)),
            "DELETE": single(_remove, no_body, has_body=False),
        },
    ),
)
