"""Health checks: `/healthz` (liveness) and `/readyz` (readiness)."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from syncline_protocol.errors import Code, Refusal
from syncline_server.backend import Backend

from .errors import refusal_reply
from .responses import json_reply
from .routing import Route

__all__ = ["routes"]


def routes(backend: Backend) -> list[Route]:
    """`/healthz` always succeeds; `/readyz` is 503 while the server has a problem, such as Redis
    being away."""

    async def ready(request: Request) -> Response:
        problems = backend.problems()
        if not problems:
            return json_reply({"status": "ready", **_figures(backend)})
        refusal = Refusal(
            Code.UNAVAILABLE, f"The server is not ready: {'; '.join(problems.values())}."
        )
        details = {"missing": list(problems), "problems": problems, **_figures(backend)}
        return refusal_reply(request, refusal, details)

    return [Route("/healthz", {"GET": _alive}), Route("/readyz", {"GET": ready})]


def _figures(backend: Backend) -> dict[str, Any]:
    """The latest measurements of the probes, in seconds."""
    feed = backend.hub.feed
    return {
        "feed_lag": round(feed.lag, 6),
        "redis_round_trip": round(feed.round_trip, 6),
        "clock_offset": round(backend.redis.clock_offset, 3),
    }


async def _alive(_: Request) -> Response:
    return json_reply({"status": "alive"})
