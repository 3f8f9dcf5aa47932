"""REST v1 for objects of any type as a whole: create, read, set the expiry, delete, list."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from syncline_protocol.commands import Create, Remove, SetTtl
from syncline_protocol.errors import Code
from syncline_server.backend import Backend
from syncline_server.http import urlencoded, urls
from syncline_server.http.authentication import authenticate
from syncline_server.http.body import read_parameters
from syncline_server.http.object_forms import ObjectForm
from syncline_server.http.object_parameters import ObjectParameters
from syncline_server.http.object_resources import object_resource
from syncline_server.http.paging import PageRequest
from syncline_server.http.preconditions import operation
from syncline_server.http.reply_context import ReplyContext
from syncline_server.http.responses import json_reply
from syncline_server.http.routing import Route
from syncline_server.http.unknown_names import check_query
from syncline_server.http.values import query_value
from syncline_server.objects.access import Access
from syncline_server.objects.headers import Headers
from syncline_server.observability.logs import about
from syncline_server.storage.results import Written

__all__ = [
    "ObjectEndpoints",
    "enter",
    "enter_with_query",
    "object_path",
    "object_routes",
    "objects_path",
]


NAME_PREFIX = "NamePrefix"
"""Query parameter of a list: only objects whose unique names begin with it."""


def objects_path(form: ObjectForm) -> str:
    """The path pattern of all objects of a type."""
    return f"/v1/Services/{{service}}/{form.type.plural.capitalize()}"


def object_path(form: ObjectForm) -> str:
    """The path pattern of one object, with the segments `service` and `object`."""
    return f"{objects_path(form)}/{{object}}"


def object_routes(backend: Backend, form: ObjectForm, objects: Headers[Any]) -> list[Route]:
    """The routes of the objects of one type."""
    endpoints = ObjectEndpoints(backend, form, objects)
    return [
        Route(objects_path(form), {"GET": endpoints.list, "POST": endpoints.create}),
        Route(
            object_path(form),
            {"GET": endpoints.fetch, "POST": endpoints.update, "DELETE": endpoints.remove},
        ),
    ]


async def enter(backend: Backend, request: Request, query: tuple[str, ...] = ()) -> Access:
    """As `enter_with_query`, for an operation that does not use the values of the query."""
    access, _ = await enter_with_query(backend, request, query)
    return access


async def enter_with_query(
    backend: Backend,
    request: Request,
    query: tuple[str, ...] = (),
    query_fields: int = urlencoded.FIELD_LIMIT,
) -> tuple[Access, list[tuple[str, str]]]:
    """Authenticate the caller, and check the query and the rate.

    Returns the names and values of the query too.

    Args:
        query: the query parameters that the operation accepts.
        query_fields: how many there may be.

    Raises:
        Refusal: as `authenticate`, `Access.enter` and `check_query`; `RATE_LIMITED`.
    """
    caller = await authenticate(backend, request)
    access = await Access.enter(backend, caller, request.path_params["service"])
    given = check_query(request, query, query_fields)
    refusal = access.count_request()
    if refusal is not None:
        raise refusal
    return access, given


class ObjectEndpoints:
    """Endpoints: each authenticates the caller, then checks the request. All raise `Refusal`."""

    def __init__(self, backend: Backend, form: ObjectForm, objects: Headers[Any]) -> None:
        self._backend = backend
        self._form = form
        self._objects = objects

    async def list(self, request: Request) -> Response:
        access, given = await enter_with_query(self._backend, request, (NAME_PREFIX,))
        prefix = query_value(given, NAME_PREFIX, Code.INVALID_NAME) or ""
        filters = ((NAME_PREFIX, prefix),) if prefix else ()
        asked = PageRequest.of(request.scope["query_string"], filters)
        where = ReplyContext.of(request, self._backend, access)
        page = await self._objects.page(access, asked.size, asked.token, prefix=prefix)
        resources = [self._resource(each, where) for each in page.items]
        type_ = self._form.type
        url = urls.objects_url(where.base_url, where.service_sid, type_)
        return asked.reply(type_.plural, url, resources, page)

    async def create(self, request: Request) -> Response:
        access = await enter(self._backend, request)
        where = ReplyContext.of(request, self._backend, access)
        op = operation(request.headers)
        body = await read_parameters(request, self._backend.settings, access.allowance.wait)
        given = ObjectParameters.of_new(body, self._form.type)
        command = Create(given.unique_name, type=self._form.type, ttl=given.ttl, op=op)
        if given.sid is None:
            written = await self._objects.create(access, command)
        else:
            written = await self._objects.create_as(access, given.sid, command)
        return self._reply(written, where, 201)

    async def fetch(self, request: Request) -> Response:
        access = await enter(self._backend, request)
        where = ReplyContext.of(request, self._backend, access)
        header = await self._objects.get(access, request.path_params["object"])
        return json_reply(self._resource(header, where))

    async def update(self, request: Request) -> Response:
        access = await enter(self._backend, request)
        where = ReplyContext.of(request, self._backend, access)
        op = operation(request.headers)
        body = await read_parameters(request, self._backend.settings, access.allowance.wait)
        ttl = ObjectParameters.ttl_of(body, self._form.type)
        command = SetTtl(request.path_params["object"], ttl, type=self._form.type, op=op)
        written = await self._objects.set_ttl(access, command)
        return self._reply(written, where, 200)

    async def remove(self, request: Request) -> Response:
        access = await enter(self._backend, request)
        op = operation(request.headers)
        command = Remove(request.path_params["object"], type=self._form.type, op=op)
        await self._objects.remove(access, command)
        return Response(status_code=204)

    def _reply(self, written: Written[Any], where: ReplyContext, status: int) -> Response:
        headers = {"Idempotency-Replayed": "true"} if written.repeated else {}
        if status == 201:
            about(object=written.header.sid)
        return json_reply(self._resource(written.header, where), status, headers)

    def _resource(self, header: Any, where: ReplyContext) -> dict[str, Any]:
        return object_resource(header, where, self._form)
