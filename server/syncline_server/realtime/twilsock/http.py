"""The v3 API over plain HTTP, for callers with a Bearer token."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from syncline_protocol.errors import Refusal
from syncline_protocol.objects import Event
from syncline_server.backend import Backend
from syncline_server.http.authentication import authenticate
from syncline_server.http.body import read_parameters
from syncline_server.http.reply_context import ReplyContext
from syncline_server.http.responses import json_reply
from syncline_server.http.routing import Endpoint, Route
from syncline_server.objects.access import Access
from syncline_server.realtime.results import Result
from syncline_server.realtime.session import Session
from syncline_server.storage.services import DEFAULT_NAME

from . import configuration
from .api import Action, Call, Reply, Steps
from .router import ROUTES, SCOPES

__all__ = ["routes"]


def routes(backend: Backend) -> list[Route]:
    """All routes of the API except `/v4/Subscriptions`, which needs a socket."""
    server = _Plain(backend)
    return [
        Route(configuration.PATH, {"GET": server.configure}),
        *(
            Route(
                scope + route.pattern,
                {method: server.endpoint(action) for method, action in route.actions.items()},
            )
            for scope in SCOPES
            for route in ROUTES
        ),
    ]


class _Plain:
    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def configure(self, request: Request) -> Response:
        access = await self._access(request)
        where = ReplyContext.of(request, self._backend, access)
        return json_reply(configuration.configuration(where))

    def endpoint(self, action: Action) -> Endpoint:
        """The endpoint that answers requests for an action."""

        async def answer(request: Request) -> Response:
            access = await self._access(request)
            where = ReplyContext.of(request, self._backend, access)
            steps = action.steps(await self._call(request, action, access), where)
            reply = await self._reply(access, steps)
            if reply.body is None:
                return Response(status_code=reply.status)
            return json_reply(reply.body, reply.status)

        return answer

    async def _call(self, request: Request, action: Action, access: Access) -> Call:
        settings = self._backend.settings
        given: list[tuple[str, Any]] = []
        if action.has_body:
            given = await read_parameters(request, settings, access.allowance.wait)
        return Call(
            names=request.path_params,
            query=request.scope["query_string"],
            headers=request.headers,
            members=given,
            limits=settings,
        )

    async def _reply(self, access: Access, steps: Steps) -> Reply:
        """Carry out the commands of one call in a session of its own, which has nothing open."""
        session = Session(self._backend, access, _ignore, is_lasting=False)
        try:
            command = next(steps)
            while True:
                answered = asyncio.get_running_loop().create_future()
                session.submit(command, answered.set_result)
                outcome: Result | Refusal = await answered
                if isinstance(outcome, Refusal):
                    command = steps.throw(outcome)
                else:
                    command = steps.send(outcome)
        except StopIteration as end:
            reply: Reply = end.value
            return reply
        finally:
            session.close()

    async def _access(self, request: Request) -> Access:
        caller = await authenticate(self._backend, request)
        service = request.path_params.get("service") or caller.service or DEFAULT_NAME
        return await Access.enter(self._backend, caller, service)


def _ignore(_: Event) -> None:
    """Ignore an event; a session without subscriptions has none."""
