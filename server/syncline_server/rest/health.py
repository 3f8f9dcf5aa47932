"""Whether the server lives, and whether it can serve."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from syncline_protocol.errors import Code, Refusal
from syncline_server.backend import Backend

from .addresses import Resource
from .replies import json_reply

__all__ = ["routes"]


def routes(backend: Backend) -> list[Resource]:
    """`/healthz` answers while the process does; `/readyz` only while Redis does too."""

    async def ready(_: Request) -> Response:
        if not backend.ready():
            raise Refusal(Code.UNAVAILABLE, "The server is not ready: its store is away.")
        return json_reply({"status": "ready"})

    return [Resource("/healthz", {"GET": _alive}), Resource("/readyz", {"GET": ready})]


async def _alive(_: Request) -> Response:
    return json_reply({"status": "alive"})
