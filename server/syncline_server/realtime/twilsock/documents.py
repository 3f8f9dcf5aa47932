"""Documents in the vendor's v3 dialect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from syncline_protocol import native
from syncline_protocol.commands import Create, Get, Remove, SetTtl
from syncline_protocol.dates import format_milliseconds
from syncline_protocol.documents import Document, Set, Updated
from syncline_protocol.objects import DOCUMENT, Event
from syncline_server.http.document_parameters import DocumentParameters
from syncline_server.http.preconditions import if_match, operation
from syncline_server.http.reply_context import ReplyContext
from syncline_server.realtime.results import Fetched, Result
from syncline_server.storage.results import Written, sid_forbidden

from .api import REQUEST_ID, VERSION, Action, Call, Dialect, Reply, Route

__all__ = ["DIALECT"]


def _create(call: Call) -> Create:
    given = DocumentParameters.of(call.members, call.data_limit, is_strict=False)
    if given.sid is not None:
        raise sid_forbidden(DOCUMENT)
    return Create(given.unique_name, given.data or b"{}", ttl=given.ttl, op=_operation(call))


def _fetch(call: Call) -> Get:
    return Get(call.names["document"])


def _update(call: Call) -> Set | SetTtl:
    given = DocumentParameters.of(call.members, call.data_limit, is_strict=False)
    return given.update(call.names["document"], if_match(call.headers), _operation(call))


def _remove(call: Call) -> Remove:
    return Remove(call.names["document"], if_match=if_match(call.headers), op=_operation(call))


def _operation(call: Call) -> str | None:
    return operation(call.headers, REQUEST_ID)


def _describing(status: int, *, data: bool) -> Callable[[Result, ReplyContext], Reply]:
    """Makes replies with a document; for writes without `data`, which an SDK would refuse."""

    def reply(result: Result, where: ReplyContext) -> Reply:
        assert isinstance(result, Fetched | Written)
        document = result.state if isinstance(result, Fetched) else result.state
        return Reply(status, _resource(document, where, data=data))

    return reply


def _resource(document: Document, where: ReplyContext, *, data: bool) -> dict[str, Any]:
    url = f"{where.base_url}{VERSION}/Services/{where.service_sid}/Documents/{document.sid}"
    return native.document_body(document, data=data) | {
        "account_sid": where.account_sid,
        "service_sid": where.service_sid,
        "url": url,
        "links": {"permissions": f"{url}/Permissions"},
        "last_event_id": document.revision,
    }


def _nothing(_: Result, __: ReplyContext) -> Reply:
    return Reply(204)


_ROUTES = (
    Route("/Documents", {"POST": Action(_create, _describing(201, data=False))}),
    Route(
        "/Documents/{document}",
        {
            "GET": Action(_fetch, _describing(200, data=True), has_body=False),
            "POST": Action(_update, _describing(200, data=False)),
            "DELETE": Action(_remove, _nothing, has_body=False),
        },
    ),
)


def _describe(event: Event) -> tuple[str, dict[str, Any]]:
    payload = {
        "id": event.revision,
        "document_sid": event.sid,
        "document_unique_name": event.unique_name,
    }
    if not isinstance(event, Updated):
        return "document_removed", payload
    # Always with name and expiry: the SDKs overwrite theirs.
    return "document_updated", payload | {
        "document_revision": str(event.revision),
        "document_data": orjson.Fragment(event.data),
        "date_created": format_milliseconds(event.at_ms),
        "date_expires": None if event.expires_ms is None else format_milliseconds(event.expires_ms),
    }


def _replay(document: Document) -> Updated:
    data, expires_ms = document.data, document.expires_ms
    return Updated.of(document, document.revision, data=data, expires_ms=expires_ms)


DIALECT = Dialect(routes=_ROUTES, describe=_describe, replay=_replay)
