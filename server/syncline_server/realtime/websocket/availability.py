"""Whether a WebSocket can be opened, for pages, which do not see why a handshake was refused."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from syncline_server.http import Resource
from syncline_server.http.responses import json_reply
from syncline_server.realtime.admission import Door

__all__ = ["routes"]


def routes(path: str, door: Door) -> list[Resource]:
    """The path of a WebSocket, for plain requests (docs/protocol.md, section 1).

    No token, no Redis: it is the cheapest answer that there is, and a sign of life too.
    """

    async def available(_: Request) -> Response:
        refusal = door.recent_refusal()
        if refusal is not None:
            raise refusal
        return json_reply({"websocket": "open"})

    return [Resource(path, {"GET": available})]
