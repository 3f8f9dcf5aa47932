"""REST for parked webhooks, whose delivery was given up: list, read, replay and delete.

The vendor's API has no such thing: there, these webhooks are lost.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from syncline_protocol.dates import format_milliseconds
from syncline_server.backend import Backend
from syncline_server.http import urls
from syncline_server.http.authentication import require_account
from syncline_server.http.paging import PageRequest
from syncline_server.http.reply_context import ReplyContext
from syncline_server.http.responses import json_reply
from syncline_server.http.routing import Route
from syncline_server.http.unknown_names import check_query
from syncline_server.objects.access import Access
from syncline_server.webhooks.dead_letters import Parked
from syncline_server.webhooks.form import parameters

__all__ = ["COLLECTION", "routes"]

COLLECTION = "/v1/Services/{service}/ParkedWebhooks"


def routes(backend: Backend) -> list[Route]:
    """The routes of parked webhooks."""
    endpoints = _Endpoints(backend)
    one = COLLECTION + "/{webhook}"
    return [
        Route(COLLECTION, {"GET": endpoints.list}),
        Route(one, {"GET": endpoints.fetch, "DELETE": endpoints.drop}),
        Route(f"{one}/Replay", {"POST": endpoints.replay}),
    ]


class _Endpoints:
    """Endpoints: each authenticates the caller, then checks the request. All raise `Refusal`."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._dead_letters = backend.dead_letters

    async def list(self, request: Request) -> Response:
        where = await self._where(request)
        asked = PageRequest.of(request.scope["query_string"])
        page = await self._dead_letters.page(where.service_sid, asked.size, asked.token)
        url = urls.parked_webhooks_url(where.base_url, where.service_sid)
        resources = [_resource(parked, where) for parked in page.items]
        return asked.reply("parked_webhooks", url, resources, page)

    async def fetch(self, request: Request) -> Response:
        where = await self._where(request)
        parked = await self._dead_letters.get(where.service_sid, request.path_params["webhook"])
        return json_reply(_resource(parked, where))

    async def replay(self, request: Request) -> Response:
        where = await self._where(request)
        parked = await self._dead_letters.replay(where.service_sid, request.path_params["webhook"])
        self._backend.audit.done("webhook replayed", object=parked.id, code=202)
        return json_reply(_resource(parked, where), 202)

    async def drop(self, request: Request) -> Response:
        where = await self._where(request)
        await self._dead_letters.drop(where.service_sid, request.path_params["webhook"])
        self._backend.audit.done("webhook dropped", object=request.path_params["webhook"], code=204)
        return Response(status_code=204)

    async def _where(self, request: Request) -> ReplyContext:
        caller = await require_account(self._backend, request)
        check_query(request)
        access = await Access.enter(self._backend, caller, request.path_params["service"])
        return ReplyContext.of(request, self._backend, access)


def _resource(parked: Parked, where: ReplyContext) -> dict[str, Any]:
    """A parked webhook as JSON; `parameters` is the form for the receiver."""
    collection = urls.parked_webhooks_url(where.base_url, where.service_sid)
    return {
        "id": parked.id,
        "account_sid": where.account_sid,
        "service_sid": where.service_sid,
        "event_type": parked.event.kind,
        "parameters": parameters(parked.event, where.account_sid, where.service_sid),
        "attempts": parked.attempts,
        "status": parked.status,
        "reason": parked.reason,
        "date_created": format_milliseconds(parked.event.at_ms),
        "date_parked": format_milliseconds(parked.parked_ms),
        "url": f"{collection}/{parked.id}",
    }
