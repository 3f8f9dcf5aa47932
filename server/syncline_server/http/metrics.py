"""The `/metrics` route for Prometheus."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from syncline_server.backend import Backend
from syncline_server.observability.prometheus import encode
from syncline_server.observability.worker_metrics import WorkerMetrics

from .authentication import require_account
from .loopback import is_local
from .routing import Route

__all__ = ["routes"]


def routes(backend: Backend, worker_metrics: WorkerMetrics) -> list[Route]:
    """The route: open to the account and, if `metrics_access` is `local`, to this machine."""
    for_anybody_here = backend.settings.metrics_access == "local"

    async def scrape(request: Request) -> Response:
        is_free = for_anybody_here and is_local(request)
        if not is_free or "authorization" in request.headers:
            await require_account(backend, request)
        body, media_type = encode(await worker_metrics.families(), request.headers.get("accept"))
        return Response(body, headers={"Cache-Control": "no-store", "Content-Type": media_type})

    return [Route("/metrics", {"GET": scrape})]
