"""REST v1 for documents: create, read, update, patch, delete and list."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from syncline_protocol import commands, fields
from syncline_protocol.errors import Code
from syncline_server.backend import Backend
from syncline_server.http import urlencoded, urls
from syncline_server.http.authentication import caller_of
from syncline_server.http.body import read_parameters, read_patch
from syncline_server.http.paging import PageRequest
from syncline_server.http.parameters import Parameters
from syncline_server.http.preconditions import if_match, operation
from syncline_server.http.reply_context import Surroundings, document_resource
from syncline_server.http.responses import json_reply
from syncline_server.http.routing import Resource
from syncline_server.http.values import query_value
from syncline_server.objects.documents import Workspace
from syncline_server.storage.results import Written

__all__ = ["routes"]

COLLECTION = "/v1/Services/{service}/Documents"
DOCUMENT = COLLECTION + "/{document}"


def routes(backend: Backend) -> list[Resource]:
    """The paths of documents."""
    endpoints = _Endpoints(backend)
    return [
        Resource(COLLECTION, {"GET": endpoints.list, "POST": endpoints.create}),
        Resource(
            DOCUMENT,
            {
                "GET": endpoints.fetch,
                "POST": endpoints.update,
                "PATCH": endpoints.patch,
                "DELETE": endpoints.remove,
            },
        ),
    ]


class _Endpoints:
    """Each checks who asks, then what, then hands it to the workspace; all raise `Refusal`."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def list(self, request: Request) -> Response:
        workspace = await self._workspace(request)
        asked = PageRequest.of(request.scope["query_string"])
        where = Surroundings.of(request, self._backend, workspace)
        page = await workspace.page(asked.size, asked.token)
        resources = [document_resource(each, where) for each in page.items]
        url = urls.documents_url(where.base_url, where.service_sid)
        return asked.reply("documents", url, resources, page)

    async def create(self, request: Request) -> Response:
        workspace = await self._workspace(request)
        where = Surroundings.of(request, self._backend, workspace)
        op = operation(request.headers)
        given = await self._parameters(request, workspace)
        written = await workspace.create(given.unique_name, given.data or b"{}", given.ttl, op)
        return _reply(written, where, 201)

    async def fetch(self, request: Request) -> Response:
        workspace = await self._workspace(request)
        where = Surroundings.of(request, self._backend, workspace)
        document = await workspace.get(request.path_params["document"])
        return _reply(Written(document, repeated=False), where, 200)

    async def update(self, request: Request) -> Response:
        workspace = await self._workspace(request)
        where = Surroundings.of(request, self._backend, workspace)
        revision, op = if_match(request.headers), operation(request.headers)
        given = await self._parameters(request, workspace)
        command = given.update(request.path_params["document"], revision, op)
        return _reply(await workspace.set(command), where, 200)

    async def patch(self, request: Request) -> Response:
        workspace = await self._workspace(request)
        where = Surroundings.of(request, self._backend, workspace)
        revision, op = if_match(request.headers), operation(request.headers)
        ttl = _ttl_of_query(request)
        body = await read_patch(request, self._backend.settings, workspace.allowance.wait)
        command = commands.Patch(request.path_params["document"], body, ttl, revision, op)
        return _reply(await workspace.patch(command), where, 200)

    async def remove(self, request: Request) -> Response:
        """The vendor's delete takes no condition; Syncline's own clients send `If-Match`."""
        workspace = await self._workspace(request)
        revision, op = if_match(request.headers), operation(request.headers)
        command = commands.Remove(request.path_params["document"], revision, op)
        await workspace.remove(command)
        return Response(status_code=204)

    async def _workspace(self, request: Request) -> Workspace:
        caller = await caller_of(self._backend, request)
        workspace = await Workspace.enter(self._backend, caller, request.path_params["service"])
        refusal = workspace.too_fast()
        if refusal is not None:
            raise refusal
        return workspace

    async def _parameters(self, request: Request, workspace: Workspace) -> Parameters:
        settings = self._backend.settings
        given = await read_parameters(request, settings, workspace.allowance.wait)
        return Parameters.of(given, settings.data_limit)


def _reply(written: Written, where: Surroundings, status: int) -> Response:
    """A document, with its revision as `ETag`: bare, as the vendor's `If-Match` takes it."""
    headers = {"ETag": str(written.document.revision)}
    if written.repeated:
        headers["Idempotency-Replayed"] = "true"
    return json_reply(document_resource(written.document, where), status, headers)


def _ttl_of_query(request: Request) -> int | None:
    query = urlencoded.pairs(request.scope["query_string"], "the query")
    ttl = query_value(query, "Ttl", Code.INVALID_TTL)
    return None if ttl is None else fields.ttl(ttl, "Ttl")
