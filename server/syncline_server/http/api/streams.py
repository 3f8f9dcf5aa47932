"""REST v1 for streams and their messages."""

from __future__ import annotations

import orjson
from starlette.requests import Request
from starlette.responses import Response

from syncline_protocol.errors import Code
from syncline_protocol.streams import Publish
from syncline_server.backend import Backend
from syncline_server.http.body import read_parameters
from syncline_server.http.object_forms import STREAMS
from syncline_server.http.preconditions import operation
from syncline_server.http.responses import json_reply
from syncline_server.http.routing import Route
from syncline_server.http.values import by_name, json_object
from syncline_server.objects.streams import Streams

from .objects import enter, object_path, object_routes

__all__ = ["routes"]


def routes(backend: Backend) -> list[Route]:
    """The routes of streams. Messages are not stored, so there is nothing to read."""
    streams = Streams(backend)
    messages = f"{object_path(STREAMS)}/Messages"
    return [
        *object_routes(backend, STREAMS, streams),
        Route(messages, {"POST": _Messages(backend, streams).publish}),
    ]


class _Messages:
    """The endpoint of messages. Raises `Refusal`."""

    def __init__(self, backend: Backend, streams: Streams) -> None:
        self._backend = backend
        self._streams = streams

    async def publish(self, request: Request) -> Response:
        access = await enter(self._backend, request)
        settings, op = self._backend.settings, operation(request.headers)
        parameters = await read_parameters(request, settings, access.allowance.wait)
        given = by_name(parameters, {"Data": "Data", "data": "Data"})
        data = json_object(given.get("Data"), "Data", settings.message_limit, Code.INVALID_MESSAGE)
        command = Publish(request.path_params["object"], data=data, op=op)
        published = await self._streams.publish(access, command)
        headers = {"Idempotency-Replayed": "true"} if published.repeated else {}
        body = {"sid": published.message_sid, "data": orjson.Fragment(data)}
        return json_reply(body, 201, headers)
