"""REST v1 for services: create, read, update, delete and list. Only the account may."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from syncline_protocol.errors import Code, Refusal
from syncline_server.backend import Backend
from syncline_server.http import urls
from syncline_server.http.authentication import require_account
from syncline_server.http.body import read_parameters
from syncline_server.http.paging import PageRequest
from syncline_server.http.reply_context import service_resource
from syncline_server.http.responses import json_reply
from syncline_server.http.routing import Route
from syncline_server.http.unknown_names import check_query
from syncline_server.storage.services import Service, unknown_service

from .service_parameters import service_members

__all__ = ["routes"]

COLLECTION = "/v1/Services"
SERVICE = COLLECTION + "/{service}"


def routes(backend: Backend) -> list[Route]:
    """The routes of services."""
    endpoints = _Endpoints(backend)
    return [
        Route(COLLECTION, {"GET": endpoints.list, "POST": endpoints.create}),
        Route(
            SERVICE,
            {"GET": endpoints.fetch, "POST": endpoints.update, "DELETE": endpoints.delete},
        ),
    ]


class _Endpoints:
    """Endpoints: each authenticates the caller, then checks the request. All raise `Refusal`."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._services = backend.services
        self._audit = backend.audit

    async def list(self, request: Request) -> Response:
        await self._check(request)
        asked = PageRequest.of(request.scope["query_string"])
        url = urls.services_url(self._base_url(request))
        page = await self._services.page(asked.size, asked.token)
        resources = [self._resource(service, request) for service in page.items]
        return asked.reply("services", url, resources, page)

    async def create(self, request: Request) -> Response:
        await self._check(request)
        members = await self._members(request)
        sid = members.pop("sid", None)
        made = await self._services.create(members, self._backend.settings.max_services, sid)
        self._audit.done("service created", object=made.sid, code=201)
        return json_reply(self._resource(made, request), 201)

    async def fetch(self, request: Request) -> Response:
        await self._check(request)
        address = request.path_params["service"]
        service = await self._services.find(address)
        if service is None:
            raise unknown_service(address)
        return json_reply(self._resource(service, request))

    async def update(self, request: Request) -> Response:
        await self._check(request)
        members = await self._members(request)
        if members.pop("sid", None) is not None:
            raise Refusal(
                Code.INVALID_PARAMETER,
                "Sid is accepted only when a service is created; a service keeps its SID.",
            )
        if not members:
            raise Refusal(Code.NO_PARAMETERS, "An update needs a parameter; none was given.")
        service = await self._services.update(request.path_params["service"], members)
        self._audit.done("service updated", object=service.sid, changed=sorted(members), code=200)
        return json_reply(self._resource(service, request))

    async def delete(self, request: Request) -> Response:
        await self._check(request)
        address = request.path_params["service"]
        await self._services.delete(address)
        self._audit.done("service deleted", object=address, code=204)
        return Response(status_code=204)

    async def _check(self, request: Request) -> None:
        """Authenticate, check the query, and check the `Host` that the reply's URLs need.

        All of it comes before any change: a bad `Host` must not turn a write that was applied into
        an error.
        """
        await require_account(self._backend, request)
        check_query(request)
        self._base_url(request)

    async def _members(self, request: Request) -> dict[str, Any]:
        settings, work = self._backend.settings, self._backend.work
        return service_members(await read_parameters(request, settings, work.turn))

    def _resource(self, service: Service, request: Request) -> dict[str, Any]:
        account_sid = self._backend.authenticator.account_sid
        return service_resource(service, self._base_url(request), account_sid)

    def _base_url(self, request: Request) -> str:
        return urls.base_url(request, self._backend.settings.public_url)
