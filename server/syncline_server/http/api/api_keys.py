"""REST v1 for API keys: create, read, revoke and list. Only the account itself may."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from syncline_server.auth.api_keys import ApiKeys, Record
from syncline_server.backend import Backend
from syncline_server.http import urls
from syncline_server.http.authentication import require_owner
from syncline_server.http.body import read_parameters
from syncline_server.http.paging import PageRequest
from syncline_server.http.reply_context import key_resource
from syncline_server.http.responses import json_reply
from syncline_server.http.routing import Route
from syncline_server.http.unknown_names import check_query
from syncline_server.http.values import by_name, flag

from .service_parameters import friendly_name

__all__ = ["COLLECTION", "routes"]

COLLECTION = "/v1/Keys"

_SPELLINGS = {
    spelling: name
    for name, member in (("FriendlyName", "friendly_name"), ("LoginOnly", "login_only"))
    for spelling in (name, member)
}


def routes(backend: Backend, api_keys: ApiKeys) -> list[Route]:
    """The routes of API keys."""
    endpoints = _Endpoints(backend, api_keys)
    return [
        Route(COLLECTION, {"GET": endpoints.list, "POST": endpoints.create}),
        Route(COLLECTION + "/{key}", {"GET": endpoints.fetch, "DELETE": endpoints.revoke}),
    ]


class _Endpoints:
    """Endpoints: each authenticates the caller, then checks the request. All raise `Refusal`."""

    def __init__(self, backend: Backend, api_keys: ApiKeys) -> None:
        self._backend = backend
        self._keys = api_keys

    async def list(self, request: Request) -> Response:
        base_url = await self._check(request)
        asked = PageRequest.of(request.scope["query_string"])
        page = await self._keys.page(asked.size, asked.token)
        resources = [self._resource(record, base_url) for record in page.items]
        return asked.reply("keys", urls.keys_url(base_url), resources, page)

    async def create(self, request: Request) -> Response:
        base_url = await self._check(request)
        settings = self._backend.settings
        given = await read_parameters(request, settings, self._backend.work.turn)
        name, login_only = _parameters(given)
        record, secret = await self._keys.create(name, login_only, settings.max_keys)
        self._backend.audit.done("key added", object=record.sid, code=201)
        return json_reply({**self._resource(record, base_url), "secret": secret}, 201)

    async def fetch(self, request: Request) -> Response:
        base_url = await self._check(request)
        record = await self._keys.find(request.path_params["key"])
        return json_reply(self._resource(record, base_url))

    async def revoke(self, request: Request) -> Response:
        await self._check(request)
        sid = request.path_params["key"]
        await self._keys.revoke(sid)
        self._backend.audit.done("key revoked", object=sid, code=204)
        return Response(status_code=204)

    async def _check(self, request: Request) -> str:
        """Authenticate, check the query, and return the base URL.

        All of it comes before any change: a bad `Host` must not turn a write that was applied into
        an error.
        """
        await require_owner(self._backend, request)
        check_query(request)
        return urls.base_url(request, self._backend.settings.public_url)

    def _resource(self, record: Record, base_url: str) -> dict[str, Any]:
        return key_resource(record, base_url, self._backend.authenticator.account_sid)


def _parameters(given: Iterable[tuple[str, Any]]) -> tuple[str | None, bool]:
    """Friendly name and `login_only`. Raises as `service_members`."""
    values = by_name(given, _SPELLINGS)
    return (
        friendly_name(values.get("FriendlyName"), "FriendlyName"),
        flag(values.get("LoginOnly", False), "LoginOnly"),
    )
