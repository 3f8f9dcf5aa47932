"""REST v1 for documents: create, read, update, patch, delete and list."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from syncline_protocol import fields
from syncline_protocol.commands import Create, Remove
from syncline_protocol.documents import Document, Patch
from syncline_protocol.errors import Code, Refusal
from syncline_server.backend import Backend
from syncline_server.http import urlencoded
from syncline_server.http.body import read_parameters, read_patch
from syncline_server.http.document_parameters import DocumentParameters
from syncline_server.http.headers import header
from syncline_server.http.object_forms import DOCUMENTS
from syncline_server.http.object_resources import document_resource
from syncline_server.http.preconditions import (
    if_match,
    if_none_match,
    operation,
    write_condition,
)
from syncline_server.http.reply_context import ReplyContext
from syncline_server.http.routing import Route
from syncline_server.http.unknown_names import refuse_unknown
from syncline_server.http.values import query_value
from syncline_server.objects.access import Access
from syncline_server.objects.documents import Documents
from syncline_server.storage.results import Written

from .objects import ObjectEndpoints, enter, objects_path

__all__ = ["routes"]

COLLECTION = objects_path(DOCUMENTS)
DOCUMENT = COLLECTION + "/{document}"


def routes(backend: Backend) -> list[Route]:
    """The routes of documents."""
    endpoints = _Endpoints(backend)
    return [
        Route(COLLECTION, {"GET": endpoints.list, "POST": endpoints.create}),
        Route(
            DOCUMENT,
            {
                "GET": endpoints.fetch,
                "POST": endpoints.update,
                "PATCH": endpoints.patch,
                "DELETE": endpoints.remove,
            },
        ),
    ]


class _Endpoints(ObjectEndpoints):
    """As `ObjectEndpoints`, with data, patches and conditions."""

    def __init__(self, backend: Backend) -> None:
        self._documents = Documents(backend)
        super().__init__(backend, DOCUMENTS, self._documents)

    async def create(self, request: Request) -> Response:
        access = await enter(self._backend, request)
        where = ReplyContext.of(request, self._backend, access)
        op = operation(request.headers)
        unless = if_none_match(request.headers)
        given = await self._parameters(request, access)
        new = Create(given.unique_name, given.data or b"{}", ttl=given.ttl, op=op)
        try:
            if given.sid is None:
                written = await self._documents.create(access, new)
            else:
                written = await self._documents.create_as(access, given.sid, new)
        except Refusal as refusal:
            if refusal.code is Code.NAME_TAKEN and unless is not None and unless.tags is None:
                raise _exists(given.unique_name or "") from None
            raise
        return self._reply(written, where, 201)

    async def fetch(self, request: Request) -> Response:
        access = await enter(self._backend, request)
        where = ReplyContext.of(request, self._backend, access)
        unless = if_none_match(request.headers)
        document = await self._documents.get(access, request.path_params["document"])
        if unless is not None and unless.matches(str(document.revision)):
            headers = {"ETag": str(document.revision), "Cache-Control": "no-store"}
            return Response(status_code=304, headers=headers)
        return self._reply(Written(document), where, 200)

    async def update(self, request: Request) -> Response:
        access = await enter(self._backend, request)
        where = ReplyContext.of(request, self._backend, access)
        revision, op = await self._condition(request, access), operation(request.headers)
        given = await self._parameters(request, access)
        command = given.update(request.path_params["document"], revision, op)
        if given.unique_name is not None:
            raise refuse_unknown("UniqueName", ("Data", "Ttl"))
        return self._reply(await self._documents.set(access, command), where, 200)

    async def patch(self, request: Request) -> Response:
        access = await enter(self._backend, request, ("Ttl",))
        where = ReplyContext.of(request, self._backend, access)
        revision, op = await self._condition(request, access), operation(request.headers)
        ttl = _ttl_of_query(request)
        body = await read_patch(request, self._backend.settings, access.allowance.wait)
        command = Patch(request.path_params["document"], body, ttl=ttl, if_match=revision, op=op)
        return self._reply(await self._documents.patch(access, command), where, 200)

    async def remove(self, request: Request) -> Response:
        """Delete a document. The vendor's delete has no condition; Syncline's own clients send
        `If-Match`."""
        access = await enter(self._backend, request)
        revision, op = await self._condition(request, access), operation(request.headers)
        command = Remove(request.path_params["document"], if_match=revision, op=op)
        await self._documents.remove(access, command)
        return Response(status_code=204)

    async def _parameters(self, request: Request, access: Access) -> DocumentParameters:
        settings = self._backend.settings
        given = await read_parameters(request, settings, access.allowance.wait)
        return DocumentParameters.of(given, settings.data_limit)

    async def _condition(self, request: Request, access: Access) -> int | None:
        """The revision that a write of an existing document is conditional on."""
        if header(request.scope, b"if-none-match") is None:
            # Nearly always: the rest would make a refusal for nothing.
            return if_match(request.headers)
        address = request.path_params["document"]

        async def newest() -> int:
            return (await self._documents.get(access, address)).revision

        return await write_condition(request.headers, newest, _exists(address))

    def _reply(self, written: Written[Document], where: ReplyContext, status: int) -> Response:
        """The reply with a document. Its `ETag` is the revision without quotes, as the vendor's
        `If-Match` expects it."""
        reply = super()._reply(written, where, status)
        reply.headers["ETag"] = str(written.state.revision)
        return reply

    def _resource(self, header: Document, where: ReplyContext) -> dict[str, Any]:
        return document_resource(header, where)


def _exists(address: str) -> Refusal:
    return Refusal(
        Code.REVISION_MISMATCH,
        f"The document {fields.show(address)} exists, in a state that If-None-Match names.",
    )


def _ttl_of_query(request: Request) -> int | None:
    query = urlencoded.pairs(request.scope["query_string"], "the query")
    ttl = query_value(query, "Ttl", Code.INVALID_TTL)
    return None if ttl is None else fields.ttl(ttl, "Ttl")
