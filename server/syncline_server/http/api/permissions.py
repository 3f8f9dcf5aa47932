"""REST v1 for permissions of objects: read, set, remove and list. Only the account may."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from syncline_protocol.errors import Code, Refusal
from syncline_protocol.fields import show
from syncline_protocol.identities import IDENTITY_LENGTH
from syncline_protocol.objects import TYPES, ObjectType
from syncline_server.backend import Backend
from syncline_server.http import urls
from syncline_server.http.authentication import require_account
from syncline_server.http.body import read_parameters
from syncline_server.http.paging import PageRequest
from syncline_server.http.reply_context import ReplyContext, permission_resource
from syncline_server.http.responses import json_reply
from syncline_server.http.routing import Route
from syncline_server.http.unknown_names import check_query
from syncline_server.http.values import by_name, flag
from syncline_server.objects.access import Access
from syncline_server.storage.keys import ObjectAddress
from syncline_server.storage.permissions import Permission
from syncline_server.storage.rights import Right

__all__ = ["routes"]

_SPELLINGS = {
    spelling: name for name in ("Read", "Write", "Manage") for spelling in (name, name.lower())
}


def routes(backend: Backend) -> list[Route]:
    """The routes of permissions, for every type that has them."""
    return [route for type_ in TYPES if type_.has_permissions for route in _routes(backend, type_)]


def _routes(backend: Backend, type_: ObjectType) -> list[Route]:
    endpoints = _Endpoints(backend, type_)
    collection = f"/v1/Services/{{service}}/{type_.plural.capitalize()}/{{object}}/Permissions"
    return [
        Route(collection, {"GET": endpoints.list}),
        Route(
            f"{collection}/{{identity}}",
            {"GET": endpoints.fetch, "POST": endpoints.update, "DELETE": endpoints.remove},
        ),
    ]


class _Endpoints:
    """Endpoints: each authenticates the caller, then checks the request. All raise `Refusal`."""

    def __init__(self, backend: Backend, type_: ObjectType) -> None:
        self._backend = backend
        self._type = type_
        self._permissions = backend.permissions

    async def list(self, request: Request) -> Response:
        where = await self._where(request)
        asked = PageRequest.of(request.scope["query_string"])
        at = self._address(where, request)
        sid, page = await self._permissions.page(at, asked.size, asked.token)
        object_url = urls.object_url(where.base_url, where.service_sid, self._type, sid)
        resources = [
            permission_resource(each, where, self._type.name, object_url) for each in page.items
        ]
        return asked.reply("permissions", urls.permissions_url(object_url), resources, page)

    async def fetch(self, request: Request) -> Response:
        where, at, identity = await self._asked(request)
        found = await self._permissions.fetch(at, identity)
        return self._reply(found, where)

    async def update(self, request: Request) -> Response:
        where, at, identity = await self._asked(request)
        settings, work = self._backend.settings, self._backend.work
        rights = _rights(await read_parameters(request, settings, work.turn))
        permission = await self._permissions.set(at, identity, rights)
        granted = [str(right.name).lower() for right in rights]
        self._log_change("permission set", permission.sid, identity, rights=granted, code=200)
        return self._reply(permission, where)

    async def remove(self, request: Request) -> Response:
        where, at, identity = await self._asked(request)
        await self._permissions.remove(at, identity)
        self._log_change("permission removed", at.address, identity, code=204)
        return Response(status_code=204)

    async def _asked(self, request: Request) -> tuple[ReplyContext, ObjectAddress, str]:
        where = await self._where(request)
        identity = request.path_params["identity"]
        if len(identity) > IDENTITY_LENGTH:
            raise Refusal(
                Code.INVALID_IDENTITY,
                f"The identity must have 1 to {IDENTITY_LENGTH} characters; {show(identity)} of "
                f"{len(identity)} characters was given.",
            )
        return where, self._address(where, request), identity

    def _address(self, where: ReplyContext, request: Request) -> ObjectAddress:
        return ObjectAddress(where.service_sid, self._type, request.path_params["object"])

    async def _where(self, request: Request) -> ReplyContext:
        caller = await require_account(self._backend, request)
        check_query(request)
        access = await Access.enter(self._backend, caller, request.path_params["service"])
        return ReplyContext.of(request, self._backend, access)

    def _log_change(self, action: str, address: str, identity: str, **known: object) -> None:
        self._backend.audit.done(action, object=address, whose=identity, **known)

    def _reply(self, permission: Permission, where: ReplyContext) -> Response:
        object_url = urls.object_url(where.base_url, where.service_sid, self._type, permission.sid)
        return json_reply(permission_resource(permission, where, self._type.name, object_url))


def _rights(given: list[tuple[str, object]]) -> Right:
    """The rights; missing parameters count as false. Raises `NO_PARAMETERS` if all are missing."""
    values = by_name(given, _SPELLINGS)
    if not values:
        raise Refusal(
            Code.NO_PARAMETERS, "A permission needs Read, Write or Manage; none was given."
        )
    rights = Right.NONE
    for name, value in values.items():
        if flag(value, name):
            rights |= Right[name.upper()]
    return rights
