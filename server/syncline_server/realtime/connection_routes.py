"""`/v1/Connections`: who is connected to which server, and the end of one connection."""

from __future__ import annotations

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from syncline_protocol.errors import Code, Refusal
from syncline_server.backend import Backend
from syncline_server.http import Route, urls
from syncline_server.http.authentication import require_account
from syncline_server.http.paging import PageRequest
from syncline_server.http.responses import json_reply
from syncline_server.http.unknown_names import check_query
from syncline_server.http.values import query_value
from syncline_server.storage.services import unknown_service

from .connection_directory import ConnectionDirectory, ConnectionFilter, time_of_id

__all__ = ["COLLECTION", "routes"]

COLLECTION = "/v1/Connections"

FILTERS = ("Identity", "Service")
"""Query parameters of the list: the beginning of an identity; a service's SID or unique name."""

_ID = re.compile(r"CN[0-9a-f]{32}", re.ASCII)


def routes(backend: Backend, directory: ConnectionDirectory) -> list[Route]:
    """The routes of connections."""
    endpoints = _Endpoints(backend, directory)
    return [
        Route(COLLECTION, {"GET": endpoints.list}),
        Route(COLLECTION + "/{connection}", {"DELETE": endpoints.disconnect}),
    ]


class _Endpoints:
    """Endpoints: each authenticates the caller, then checks the request. All raise `Refusal`."""

    def __init__(self, backend: Backend, directory: ConnectionDirectory) -> None:
        self._backend = backend
        self._directory = directory

    async def list(self, request: Request) -> Response:
        await require_account(self._backend, request)
        given = check_query(request, FILTERS)
        filters = [
            (name, value)
            for name in FILTERS
            if (value := query_value(given, name, Code.INVALID_PARAMETER))
        ]
        query = request.scope["query_string"]
        asked = PageRequest.of(query, tuple(filters))
        url = urls.connections_url(urls.base_url(request, self._backend.settings.public_url))
        wanted = await self._filter(dict(filters))
        found = await self._directory.page(asked.size, asked.token, wanted)
        meta = asked.meta("connections", url, None, found.page.next)
        return json_reply(
            {
                "connections": [_resource(each, url) for each in found.page.items],
                "meta": meta,
                "silent_workers": found.silent_workers,
                "silent_servers": found.silent_servers,
            }
        )

    async def disconnect(self, request: Request) -> Response:
        await require_account(self._backend, request)
        check_query(request)
        id_ = request.path_params["connection"]
        described = await self._directory.disconnect(id_) if _ID.fullmatch(id_) else None
        if described is None:
            raise Refusal(Code.NOT_FOUND, "There is no such connection.")
        self._backend.audit.done(
            "connection closed",
            object=id_,
            whose=described["identity"],
            client=described["peer"],
            server=described["server"],
            code=204,
        )
        return Response(status_code=204)

    async def _filter(self, given: dict[str, str]) -> ConnectionFilter:
        service = given.get("Service")
        if service is None:
            return ConnectionFilter(given.get("Identity"))
        found = await self._backend.services.find(service)
        if found is None:
            raise unknown_service(service)
        return ConnectionFilter(given.get("Identity"), found.sid)


def _resource(described: dict[str, Any], url: str) -> dict[str, Any]:
    return {
        **described,
        "date_created": time_of_id(described["id"]),
        "url": f"{url}/{described['id']}",
    }
