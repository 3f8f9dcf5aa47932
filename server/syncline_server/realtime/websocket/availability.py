"""Whether a WebSocket can be opened: for web pages, which cannot see why a handshake failed."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from syncline_server.http import Route
from syncline_server.http.responses import json_reply
from syncline_server.realtime.admission import Admission

__all__ = ["routes"]


def routes(path: str, admission: Admission) -> list[Route]:
    """GET on the path of a WebSocket (docs/protocol.md, section 1).

    It needs no token and no Redis, so it is cheap. It also shows that the server is alive.
    """

    async def available(_: Request) -> Response:
        refusal = admission.recent_refusal()
        if refusal is not None:
            raise refusal
        return json_reply({"websocket": "open"})

    return [Route(path, {"GET": available})]
