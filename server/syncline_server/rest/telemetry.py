"""`/metrics`, for Prometheus."""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response

from syncline_server.backend import Backend
from syncline_server.locality import is_local
from syncline_server.metrics import Telemetry

from .account import require_account
from .addresses import Resource

__all__ = ["routes"]


def routes(backend: Backend, metrics: Telemetry) -> list[Resource]:
    """For the account, and for callers on this machine."""

    async def scrape(request: Request) -> Response:
        if not is_local(request) or "authorization" in request.headers:
            require_account(backend, request)
        headers = {"Cache-Control": "no-store", "Content-Type": CONTENT_TYPE_LATEST}
        return Response(metrics.text(), headers=headers)

    return [Resource("/metrics", {"GET": scrape})]
