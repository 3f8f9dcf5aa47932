"""Whether the server lives, and whether it can serve."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from syncline_protocol.errors import Code, Refusal
from syncline_server.backend import Backend

from .errors import refusal_reply
from .responses import json_reply
from .routing import Resource

__all__ = ["routes"]


def routes(backend: Backend) -> list[Resource]:
    """`/healthz` answers while the process does; `/readyz` only while Redis does too."""

    async def ready(request: Request) -> Response:
        problems = backend.problems()
        if not problems:
            return json_reply({"status": "ready", **_figures(backend)})
        refusal = Refusal(
            Code.UNAVAILABLE, f"The server is not ready: {'; '.join(problems.values())}."
        )
        details = {"missing": list(problems), "problems": problems, **_figures(backend)}
        return refusal_reply(request, refusal, details)

    return [Resource("/healthz", {"GET": _alive}), Resource("/readyz", {"GET": ready})]


def _figures(backend: Backend) -> dict[str, Any]:
    """Seconds, as the last probe of each had them."""
    feed = backend.hub.feed
    return {
        "feed_lag": round(feed.lag, 6),
        "redis_round_trip": round(feed.round_trip, 6),
        "clock_offset": round(backend.redis.clock_offset, 3),
    }


async def _alive(_: Request) -> Response:
    return json_reply({"status": "alive"})
